//! Cases as tables of text, and the one driver that runs them.
//!
//! The first line of a table names the columns, and every other line is a row. The columns before `status` make the
//! request; `status` and the columns after it say what the answer must be.
//!
//! * `case` is a name. It is shown beside the request when the row fails.
//! * `request` is a method and a target.
//! * `body` is the whole body, empty if there is none. In a body of an answer, `…` at an end stands for any text there.
//! * `message` is a part of a problem's message; if it is empty, the answer is no problem.
//! * `events of 1` says how many events order 1 has had after the request.
//! * Any other column is a header, left out where the cell is empty. `""` is a header without a value, and `a & b` two
//!   headers.

use crate::wire::{Rows, Service, WireAnswer};

/// The cell of a header without a value.
const NO_VALUE: &str = "\"\"";

/// Runs all rows, one after the other, against one service.
pub async fn run(service: &Service, table: &str) {
    let mut rows = Rows::default();
    for row in read(table) {
        row.run(service, &mut rows).await;
    }
}

/// Runs each row against a service of its own.
pub async fn run_apart(table: &str, start: impl AsyncFn() -> Service) {
    let mut rows = Rows::default();
    for row in read(table) {
        row.run(&start().await, &mut rows).await;
    }
}

/// The cells of every row, also of the first, which names the columns.
pub fn cells(table: &str) -> Vec<Vec<&str>> {
    let lines = table.lines().filter(|line| !line.trim().is_empty());
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split('|').map(str::trim).collect()).collect();
    assert!(rows.len() > 1, "a table without rows: {table}");
    for row in &rows {
        assert_eq!(row.len(), rows[0].len(), "the cells of {row:?}");
    }
    rows
}

/// Columns and the cells of one row in them.
type Cells<'a> = Vec<(&'a str, &'a str)>;

struct Row<'a> {
    request: Cells<'a>,
    answer: Cells<'a>,
}

fn read(table: &str) -> Vec<Row<'_>> {
    let rows = cells(table);
    let (columns, rows) = rows.split_first().expect("the columns");
    let status = columns.iter().position(|column| *column == "status");
    let status = status.expect("a column for the status");
    let pairs = |cells| columns.iter().copied().zip(cells).collect();
    rows.iter()
        .map(|cells| {
            let mut request: Cells<'_> = pairs(cells.iter().copied());
            let answer = request.split_off(status);
            Row { request, answer }
        })
        .collect()
}

impl Row<'_> {
    async fn run(&self, service: &Service, rows: &mut Rows) {
        let answer = service
            .send(self.cell("request"), &self.headers(), self.cell("body"))
            .await;
        for (column, expected) in &self.answer {
            let name = format!("{} {}: {column} {expected:?}", self.cell("case"), self.cell("request"));
            rows.check(&name, holds(service, &answer, column, expected).await, &answer);
        }
    }

    /// What the request has in this column, nothing if the table has no such column.
    fn cell(&self, column: &str) -> &str {
        let mut cells = self.request.iter();
        cells.find(|(known, _)| *known == column).map_or("", |(_, cell)| cell)
    }

    fn headers(&self) -> Cells<'_> {
        let mut headers = Vec::new();
        for (column, cell) in &self.request {
            if !matches!(*column, "case" | "request" | "body") && !cell.is_empty() {
                let cell = if *cell == NO_VALUE { "" } else { cell };
                headers.extend(cell.split(" & ").map(|value| (*column, value)));
            }
        }
        headers
    }
}

async fn holds(service: &Service, answer: &WireAnswer, column: &str, expected: &str) -> bool {
    match column {
        "status" => expected == answer.status.to_string(),
        "body" => fits(&answer.body, expected),
        "message" if expected.is_empty() => answer.problem().is_none(),
        "message" => answer.problem().is_some_and(|message| message.contains(expected)),
        _ => match column.strip_prefix("events of ") {
            Some(order) => service.events_of(order.parse().expect("a number")).await.to_string() == expected,
            None => answer.header(column) == Some(expected).filter(|value| !value.is_empty()),
        },
    }
}

/// Whether the text is the pattern, in which `…` at an end stands for any text there.
fn fits(text: &str, pattern: &str) -> bool {
    let (start, end) = (pattern.strip_prefix('…'), pattern.strip_suffix('…'));
    match (start, end) {
        (None, None) => text == pattern,
        (Some(end), None) => text.ends_with(end),
        (None, Some(start)) => text.starts_with(start),
        (Some(_), Some(_)) => text.contains(pattern.trim_matches('…')),
    }
}

/// Every row but the first has one cell that is wrong.
const WRONG: &str = r#"
case           | request    | status | content-type     | body            | message | events of 1
right          | GET /livez | 200    | application/json | {"status":"UP"} |         | 0
a status       | GET /livez | 404    | application/json | {"status":"UP"} |         | 0
a header       | GET /livez | 200    | text/html        | {"status":"UP"} |         | 0
no header      | GET /livez | 200    |                  | {"status":"UP"} |         | 0
a body         | GET /livez | 200    | application/json | …DOWN…          |         | 0
half of a body | GET /livez | 200    | application/json | {"status"       |         | 0
a message      | GET /livez | 200    | application/json | {"status":"UP"} | status  | 0
an event       | GET /livez | 200    | application/json | {"status":"UP"} |         | 1
"#;

#[tokio::test]
async fn rows_that_fail_are_named() {
    let service = Service::orders().await;
    let wrong = tokio::spawn(async move { run(&service, WRONG).await }).await;
    let panic = wrong.expect_err("rows fail").into_panic();
    let told = panic.downcast::<String>().expect("a message");
    let names: Vec<&str> = told.lines().filter_map(|line| line.split(" \"").next()).collect();
    let expected = [
        "7 rows fail:",
        "a status GET /livez: status",
        "a header GET /livez: content-type",
        "no header GET /livez: content-type",
        "a body GET /livez: body",
        "half of a body GET /livez: body",
        "a message GET /livez: message",
        "an event GET /livez: events of 1",
    ];
    assert_eq!(names, expected);
}
