//! Topics and partitions as `--topic` names them: `topic`, or `topic:0,1`.

use std::collections::BTreeSet;

use keylane_log::{EventLog, LogError, Partition, TopicPartition};

use super::command::CommandError;

/// A topic, or some of its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    pub topic: String,
    /// The partitions; none for all of them.
    pub numbers: Option<Vec<u32>>,
}

/// Reads the values of `--topic`.
pub fn parse(texts: &[String]) -> Result<Vec<Scope>, CommandError> {
    texts.iter().map(|text| parse_one(text)).collect()
}

fn parse_one(text: &str) -> Result<Scope, CommandError> {
    let Some((topic, numbers)) = text.split_once(':') else {
        let topic = text.to_owned();
        return Ok(Scope { topic, numbers: None });
    };
    if numbers.is_empty() || numbers.contains(':') {
        return Err(CommandError::Usage(format!(
            "Invalid topic arg '{text}', expected topic name and partitions"
        )));
    }
    let number = |number: &str| {
        let wrong = |_| CommandError::Usage(format!("Invalid partition '{number}' specified in topic arg '{text}''"));
        number.parse::<u32>().map_err(wrong)
    };
    let numbers = numbers
        .trim_end_matches(',')
        .split(',')
        .map(number)
        .collect::<Result<_, _>>()?;
    Ok(Scope {
        topic: topic.to_owned(),
        numbers: Some(numbers),
    })
}

impl Scope {
    /// The partitions, whether or not those that were named by their numbers are there.
    pub fn partitions(&self, log: &dyn EventLog) -> Result<BTreeSet<TopicPartition>, LogError> {
        let numbers = match &self.numbers {
            Some(numbers) => numbers.clone(),
            None => (0..log.partitions(&self.topic)?).collect(),
        };
        let partition = |number| TopicPartition::new(self.topic.as_str(), Partition(number));
        Ok(numbers.into_iter().map(partition).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_may_follow_a_topic() {
        let read = |text: &str| {
            parse_one(text).map_err(|error| match error {
                CommandError::Usage(sentence) => sentence,
                CommandError::Refused(_) | CommandError::Failed(_) => unreachable!("only the usage is looked at"),
            })
        };
        let numbers = |text| read(text).expect("good").numbers;
        assert_eq!(numbers("t"), None);
        assert_eq!(numbers("t:0,2"), Some(vec![0, 2]));
        for (text, says) in [
            ("t:", "Invalid topic arg 't:', expected topic name and partitions"),
            ("t:0:1", "Invalid topic arg 't:0:1', expected topic name and partitions"),
            ("t:x", "Invalid partition 'x' specified in topic arg 't:x''"),
            ("t:-1", "Invalid partition '-1' specified in topic arg 't:-1''"),
        ] {
            assert_eq!(read(text), Err(says.to_owned()));
        }
    }
}
