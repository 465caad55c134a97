//! Plans the statements that a table still needs, from what it should look like and what it looks like. Nothing is run here.

use super::super::address::COLLATION;
use super::Table;
use super::look::{ColumnState, TableState};

/// The statement that creates a table whose rows are numbered from `first` on.
pub(super) fn create(table: &Table, first: i64) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (name, definition) in table.columns {
        lines.push(format!("`{name}` {definition}"));
    }
    lines.push(format!("primary key (`{}`)", table.columns[0].0));
    for (name, kind, columns) in table.indexes {
        lines.push(format!("{kind} {name} {columns}"));
    }
    let numbering = match table.is_numbered() {
        true => format!(" auto_increment = {first}"),
        false => String::new(),
    };
    format!(
        "create table {} ({}) engine = InnoDB default character set utf8mb4 collate {COLLATION}{numbering}",
        table.name,
        lines.join(", ")
    )
}

/// Whether the table's rows are not numbered by the database yet, so that [`changes`] needs to know the first free number.
pub(super) fn needs_numbering(state: &TableState) -> bool {
    !state.columns.iter().any(|column| column.auto_increment)
}

/// The statements that bring a table closer to what it should look like; none if nothing is missing. The caller runs them,
/// looks again, and asks again. If the table's rows were not numbered before, they are numbered from `first` on.
pub(super) fn changes(table: &Table, state: &TableState, first: i64) -> Vec<String> {
    let mut steps = Vec::new();
    let name = table.name;
    if !state.engine.eq_ignore_ascii_case("InnoDB") {
        steps.push(format!("alter table {name} engine = InnoDB"));
    }
    if table.is_numbered() && needs_numbering(state) {
        let (id, definition) = table.columns[0];
        steps.push(format!(
            "alter table {name} modify column {id} {definition}, auto_increment = {first}"
        ));
    }
    steps.extend(text_steps(table, state));
    for (column, definition) in table.columns {
        if find(state, column).is_none() {
            steps.push(format!("alter table {name} add column `{column}` {definition}"));
        }
    }
    for (index, kind, columns) in table.indexes {
        if !state.indexes.iter().any(|there| there.eq_ignore_ascii_case(index)) {
            steps.push(format!("create {kind} {index} on {name} {columns}"));
        }
    }
    steps
}

/// The statements about character sets. A column that holds UTF-8 but is declared latin1 is first turned into bytes and then
/// into utf8mb4, so that its contents are not converted; only after that the rest of the table is.
fn text_steps(table: &Table, state: &TableState) -> Vec<String> {
    let name = table.name;
    let mut relabelled = Vec::new();
    for (column, definition) in table
        .columns
        .iter()
        .filter(|(_, definition)| definition.starts_with("varchar"))
    {
        let Some(now) = find(state, column) else { continue };
        if now.data_type == "varbinary" {
            relabelled.push(format!(
                "modify column `{column}` {definition} character set utf8mb4 collate {COLLATION}"
            ));
        } else if now.utf8_inside {
            relabelled.push(format!("modify column `{column}` varbinary(1020)"));
        }
    }
    if !relabelled.is_empty() {
        return vec![format!("alter table {name} {}", relabelled.join(", "))];
    }
    let text = state.columns.iter().filter_map(|column| column.charset.as_deref());
    match text.chain([state.charset.as_str()]).all(|charset| charset == "utf8mb4") {
        true => Vec::new(),
        false => vec![format!(
            "alter table {name} convert to character set utf8mb4 collate {COLLATION}"
        )],
    }
}

fn find<'s>(state: &'s TableState, name: &str) -> Option<&'s ColumnState> {
    state
        .columns
        .iter()
        .find(|column| column.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::super::tables;
    use super::*;
    use shop::domain::Source;

    fn column(name: &str, data_type: &str, charset: Option<&str>) -> ColumnState {
        ColumnState {
            name: name.into(),
            data_type: data_type.into(),
            charset: charset.map(Into::into),
            auto_increment: name == "id",
            utf8_inside: false,
        }
    }

    fn javas_orders() -> TableState {
        TableState {
            engine: "InnoDB".into(),
            charset: "utf8mb4".into(),
            columns: vec![
                column("id", "bigint", None),
                column("address", "varchar", Some("utf8mb4")),
                column("customerId", "bigint", None),
                column("productId", "varchar", Some("utf8mb4")),
                column("productName", "varchar", Some("utf8mb4")),
                column("qty", "int", None),
            ],
            indexes: vec!["PRIMARY".into()],
        }
    }

    fn orders() -> &'static Table {
        tables::of(Source::Orders)[3]
    }

    #[test]
    fn a_table_of_the_java_system_needs_a_version_and_then_nothing() {
        let mut state = javas_orders();
        let steps = changes(orders(), &state, 1);
        assert_eq!(
            steps,
            ["alter table Order_table add column `version` bigint not null default 1"]
        );
        state.columns.push(column("version", "bigint", None));
        assert!(changes(orders(), &state, 1).is_empty());
    }

    #[test]
    fn an_unnumbered_table_is_numbered_behind_what_was_given_out() {
        let mut state = javas_orders();
        state.columns[0].auto_increment = false;
        assert!(needs_numbering(&state));
        let steps = changes(orders(), &state, 42);
        assert_eq!(
            steps[0],
            "alter table Order_table modify column id bigint not null auto_increment, auto_increment = 42"
        );
    }

    #[test]
    fn utf8_under_a_latin1_label_passes_through_bytes() {
        let mut state = javas_orders();
        state.charset = "latin1".into();
        state.columns[1].charset = Some("latin1".into());
        state.columns[1].utf8_inside = true;
        let steps = changes(orders(), &state, 1);
        assert_eq!(
            steps[0],
            "alter table Order_table modify column `address` varbinary(1020)"
        );
        assert!(!steps.iter().any(|step| step.contains("convert")));

        state.columns[1] = column("address", "varbinary", None);
        let steps = changes(orders(), &state, 1);
        assert!(
            steps[0].contains("`address` varchar(255) character set utf8mb4"),
            "{}",
            steps[0]
        );

        state.columns[1] = column("address", "varchar", Some("utf8mb4"));
        let steps = changes(orders(), &state, 1);
        assert!(steps[0].contains("convert to character set utf8mb4"), "{}", steps[0]);
    }
}
