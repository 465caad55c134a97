//! Helps to build statements for many rows and to read rows.

use sqlx::mysql::MySqlRow;
use sqlx::{AssertSqlSafe, Decode, MySql, Row, Type};

use super::session::{Session, Statement};
use shop::domain::OrderFields;
use shop::store::{PageRequest, Result, StoreError};

/// The most rows that one statement writes, and the most values that one list holds.
const CHUNK: usize = 256;
/// Up to this many rows there is a statement for each number of rows; beyond it there would be too many to keep prepared.
const EXACT: usize = 64;

/// A prepared statement with this text, in which every value is a `?`.
pub(super) fn statement<'q>(sql: String) -> Statement<'q> {
    sqlx::query(AssertSqlSafe(sql))
}

/// Cuts rows into pieces of few different lengths, so that the statements for them stay prepared.
pub(super) fn pieces<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let length = match rows.len() {
            0 => return None,
            CHUNK.. => CHUNK,
            length if length > EXACT => EXACT,
            length => length,
        };
        let (piece, rest) = rows.split_at(length);
        rows = rest;
        Some(piece)
    })
}

/// Cuts numbers into lists for `in (…)`. The last number is repeated until the list's length is a power of two, so that few
/// statements have to stay prepared.
pub(super) fn lists(numbers: &[i64]) -> impl Iterator<Item = Vec<i64>> + '_ {
    numbers.chunks(CHUNK).map(|chunk| {
        let mut list = chunk.to_vec();
        list.resize(chunk.len().next_power_of_two(), chunk[chunk.len() - 1]);
        list
    })
}

/// `n` question marks: `?,?,?`.
pub(super) fn marks(n: usize) -> String {
    vec!["?"; n].join(",")
}

/// Question marks for `rows` rows of `columns` values: `(?,?),(?,?)`.
pub(super) fn tuples(rows: usize, columns: usize) -> String {
    vec![format!("({})", marks(columns)); rows].join(",")
}

/// The columns that [`fields`] reads and [`bind_fields`] writes, in that order.
pub(super) const FIELDS: &str = "productId, productName, qty, customerId, address";

/// Reads the columns of [`FIELDS`], the first of which is the column `at`.
pub(super) fn fields(row: &MySqlRow, at: usize) -> Result<OrderFields> {
    Ok(OrderFields {
        product_id: column(row, at)?,
        product_name: column(row, at + 1)?,
        qty: column(row, at + 2)?,
        customer_id: column(row, at + 3)?,
        address: column(row, at + 4)?,
    })
}

/// Binds the values of [`FIELDS`] to a statement.
pub(super) fn bind_fields<'q>(query: Statement<'q>, fields: &'q OrderFields) -> Statement<'q> {
    query
        .bind(fields.product_id.as_deref())
        .bind(fields.product_name.as_deref())
        .bind(fields.qty)
        .bind(fields.customer_id)
        .bind(fields.address.as_deref())
}

/// The value of the column `at`, from 0.
pub(super) fn column<'r, T: Decode<'r, MySql> + Type<MySql>>(row: &'r MySqlRow, at: usize) -> Result<T> {
    row.try_get(at)
        .map_err(|error| StoreError::Broken(format!("the database holds what can't be read: {error}")))
}

/// The rows of one page of a table, and how many rows the table has in all.
pub(super) async fn page(
    session: &mut Session,
    table: &str,
    columns: &str,
    request: &PageRequest,
) -> Result<(Vec<MySqlRow>, u64)> {
    let total = session
        .fetch(statement(format!("select count(*) from {table}")))
        .await?;
    let total: i64 = column(&total[0], 0)?;
    let order = order_by(request)?;
    let sql = format!("select {columns} from {table} order by {order} limit ? offset ?");
    let offset = request.page.saturating_mul(request.size);
    let rows = session.fetch(statement(sql).bind(request.size).bind(offset)).await?;
    Ok((rows, total.cast_unsigned()))
}

/// How texts are sorted, so that a page is the same on each stack.
const SORTED: &str = " collate utf8mb4_general_ci";

fn order_by(request: &PageRequest) -> Result<String> {
    let mut order = Vec::new();
    for sort in &request.sort {
        let property = sort.property;
        if !property.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(StoreError::Rejected(format!(
                "there is no property {property:?} to sort by"
            )));
        }
        // The tables of an older system may have another collation.
        let collation = if sort.is_text() { SORTED } else { "" };
        let direction = if sort.descending { " desc" } else { "" };
        order.push(format!("`{property}`{collation}{direction}"));
    }
    order.push("id".to_owned());
    Ok(order.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_of_few_lengths_and_lose_nothing() {
        for n in [0, 1, 37, 64, 65, 200, 256, 1000] {
            let rows: Vec<usize> = (0..n).collect();
            let cut: Vec<&[usize]> = pieces(&rows).collect();
            assert_eq!(cut.concat(), rows);
            assert!(cut.iter().all(|piece| piece.len() <= EXACT || piece.len() == CHUNK));
        }
    }

    #[test]
    fn lists_are_powers_of_two_and_repeat_only_their_last() {
        let lists: Vec<_> = lists(&[1, 2, 5]).collect();
        assert_eq!(lists, [vec![1, 2, 5, 5]]);
        assert_eq!(super::lists(&[]).count(), 0);
        let many: Vec<i64> = (0..300).collect();
        assert_eq!(
            super::lists(&many).map(|list| list.len()).collect::<Vec<_>>(),
            [256, 64]
        );
    }
}
