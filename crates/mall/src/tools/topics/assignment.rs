//! The value of `--replica-assignment`: the brokers of each partition.

/// Reads `1:2,2:1` as the brokers 1 and 2 for the first partition, and 2 and 1 for the second.
pub fn parse(text: &str) -> Result<Vec<Vec<i32>>, String> {
    let mut placement: Vec<Vec<i32>> = Vec::new();
    for (partition, nodes) in text.split(',').enumerate() {
        let nodes: Vec<i32> = nodes
            .split(':')
            .map(|node| number(node.trim()))
            .collect::<Result<_, _>>()?;
        let twice: Vec<_> = doubled(&nodes).iter().map(i32::to_string).collect();
        if !twice.is_empty() {
            let twice = twice.join(",");
            return Err(format!(
                "Partition replica lists may not contain duplicate entries: {twice}"
            ));
        }
        if placement.first().is_some_and(|first| first.len() != nodes.len()) {
            return Err(format!(
                "Partition {partition} has different replication factor: {nodes:?}"
            ));
        }
        placement.push(nodes);
    }
    Ok(placement)
}

fn number(text: &str) -> Result<i32, String> {
    text.parse().map_err(|_| format!("For input string: \"{text}\""))
}

/// The numbers that stand more than once.
fn doubled(nodes: &[i32]) -> Vec<i32> {
    let mut sorted = nodes.to_vec();
    sorted.sort_unstable();
    let mut twice: Vec<_> = sorted
        .windows(2)
        .filter(|pair| pair[0] == pair[1])
        .map(|pair| pair[0])
        .collect();
    twice.dedup();
    twice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_has_as_many_brokers_each_once() {
        assert_eq!(parse("1:2, 2 : 1"), Ok(vec![vec![1, 2], vec![2, 1]]));
        assert_eq!(parse("3"), Ok(vec![vec![3]]));
        for (text, says) in [
            ("1:2:1", "Partition replica lists may not contain duplicate entries: 1"),
            ("1,1:2", "Partition 1 has different replication factor: [1, 2]"),
            ("x", "For input string: \"x\""),
            ("1,", "For input string: \"\""),
        ] {
            assert_eq!(parse(text), Err(says.to_owned()), "{text}");
        }
    }
}
