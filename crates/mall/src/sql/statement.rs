//! Judges the statement that `mall sql` is given: it is parsed, every part of it is looked at, and its tokens are put together
//! again.
//!
//! ```text
//!   text ─▶ tokens ─▶ each of an allowed kind ─▶ syntax tree ─▶ each part of an allowed kind ─▶ tokens, without comments
//! ```
//!
//! # Invariants
//! * Only what is on a list is allowed: kinds of tokens, kinds of statements, functions.
//! * The database gets exactly the tokens that were judged. Comments are not sent, so parser and database can't disagree about
//!   where a comment, a string or a statement ends.
//! * A word before a parenthesis counts as a call, wherever it stands and whatever the parser takes it for.

use std::borrow::Cow;
use std::collections::HashSet;
use std::convert::Infallible;
use std::ops::ControlFlow;

use sqlparser::ast::{Query, Select, SetExpr, Statement, TableFactor, Visit, Visitor, With};
use sqlparser::dialect::{Dialect, MySqlDialect, SQLiteDialect};
use sqlparser::parser::{Parser, ParserOptions};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Whitespace, Word};

use super::functions;
use crate::exit::Usage;

/// The longest statement, in bytes. The syntax tree of a longer one may be deeper than the stack.
const LONGEST_STATEMENT: usize = 16 * 1024;
/// The size of the stack in bytes. It holds the deepest syntax tree that a statement of that length can have.
const STACK: usize = 256 * 1024 * 1024;

/// The beginnings of comments that a server runs.
const RUN_COMMENTS: [&str; 4] = ["/*!", "/*m!", "/*+", "--+"];
/// Words that write a file, set a variable or lock. A statement that only reads needs none of them, except as quoted names.
const WRITING: [&str; 6] = ["into", "outfile", "dumpfile", "update", "lock", "procedure"];

/// The SQL dialect of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqlDialect {
    /// MySQL and MariaDB.
    MySql,
    /// SQLite.
    Sqlite,
}

/// A statement that only reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOnlyStatement {
    pub kind: StatementKind,
    /// The tokens that were judged, as text.
    pub text: String,
}

/// The kinds of statements that only read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatementKind {
    /// `show tables`, without anything behind it.
    Tables,
    /// `desc` of a table.
    Columns(String),
    /// Any other `show`.
    Show,
    /// `select`, `with`, `values`, `table`, or `explain` of one of them.
    Query,
}

/// Judges a statement.
///
/// # Errors
/// Refuses everything but a single statement that only reads. The sentence says why, and what is allowed.
pub fn judge(text: &str, dialect: SqlDialect) -> Result<ReadOnlyStatement, Usage> {
    let judged = std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(STACK);
        builder
            .spawn_scoped(scope, || try_judge(text, dialect))?
            .join()
            .map_err(|_| std::io::Error::other("panicked"))
    });
    let judged = judged.unwrap_or_else(|error| Err(format!("the statement can't be parsed: {error}")));
    judged.map_err(|why| {
        Usage(format!(
            "mall sql only reads: {why}; allowed is one statement: select, with, values, table, show, desc, or explain of these"
        ))
    })
}

fn try_judge(text: &str, dialect: SqlDialect) -> Result<ReadOnlyStatement, String> {
    if text.len() > LONGEST_STATEMENT {
        return Err(format!("the statement is longer than {LONGEST_STATEMENT} bytes"));
    }
    let text = &*table_as_select(text);
    let lower = text.to_ascii_lowercase();
    if let Some(comment) = RUN_COMMENTS.iter().find(|start| lower.contains(**start)) {
        return Err(format!(
            "a comment that a server would run ({comment} …) is not allowed"
        ));
    }
    let dialect: &dyn Dialect = match dialect {
        SqlDialect::MySql => &MySqlDialect {},
        SqlDialect::Sqlite => &SQLiteDialect {},
    };
    let tokens = Tokenizer::new(dialect, text)
        .with_unescape(false)
        .tokenize_with_location();
    let tokens = tokens.map_err(|error| format!("it can't be read: {error}"))?;
    let pieces = pieces(text, &tokens)?;
    let tokens = without_end(tokens);
    let statement = parsed(dialect, &tokens)?;
    let Parts { names, refusal } = Parts::of(&statement);
    calls(&tokens, &names)?;
    if let Some(why) = refusal {
        return Err(why);
    }
    Ok(ReadOnlyStatement {
        kind: kind(&statement, &tokens),
        text: pieces.trim().trim_end_matches([';', ' ']).to_owned(),
    })
}

/// Writes `table T` as `select * from T`, because not every database knows the short form.
fn table_as_select(text: &str) -> Cow<'_, str> {
    let start = text.trim_start();
    match start.split_at_checked("table".len()) {
        Some((word, rest))
            if word.eq_ignore_ascii_case("table") && !rest.starts_with(|c: char| c.is_alphanumeric()) =>
        {
            format!("select * from{rest}").into()
        }
        _ => text.into(),
    }
}

/// The text again, token by token, with a blank for each comment. Refused if a token is not what stands in the text.
fn pieces(text: &str, tokens: &[TokenWithSpan]) -> Result<String, String> {
    let mut rest = text;
    let mut pieces = String::with_capacity(text.len());
    for (index, TokenWithSpan { token, .. }) in tokens.iter().enumerate() {
        let length = length(token, rest).ok_or_else(|| format!("what begins at {} is ambiguous", beginning(rest)))?;
        let (piece, behind) = rest.split_at(length);
        is_allowed(token, piece)?;
        if matches!(
            (token, tokens.get(index + 1).map(|next| &next.token)),
            (Token::Number(..), Some(Token::Word(_)))
        ) {
            return Err(format!(
                "a blank is missing between the number and the word in {}",
                beginning(rest)
            ));
        }
        rest = behind;
        match token {
            Token::Whitespace(_) => pieces.push(' '),
            _ => pieces.push_str(piece),
        }
    }
    match rest.is_empty() {
        true => Ok(pieces),
        false => Err(format!("what begins at {} can't be read", beginning(rest))),
    }
}

/// How many bytes of the text a token takes. None if the token is not what stands there.
fn length(token: &Token, text: &str) -> Option<usize> {
    let ways: Vec<String> = match token {
        Token::Whitespace(Whitespace::SingleLineComment { .. }) => {
            return Some(text.find('\n').unwrap_or(text.len()));
        }
        Token::Neq => vec!["<>".into(), "!=".into()],
        Token::HexStringLiteral(digits) => vec![format!("x'{digits}'"), format!("0x{digits}")],
        Token::Whitespace(Whitespace::Newline) => vec!["\r\n".into(), "\n".into(), "\r".into()],
        other => vec![other.to_string()],
    };
    let stands = |way: &&String| {
        text.get(..way.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(way))
    };
    ways.iter().find(stands).map(String::len)
}

fn beginning(text: &str) -> String {
    text.chars().take(20).collect()
}

/// Refuses a token that different parsers may read differently.
fn is_allowed(token: &Token, piece: &str) -> Result<(), String> {
    let known = match token {
        Token::Word(word) => return is_allowed_word(word),
        Token::Number(_, long) => !long,
        Token::Whitespace(_)
        | Token::SingleQuotedString(_)
        | Token::DoubleQuotedString(_)
        | Token::HexStringLiteral(_)
        | Token::SingleQuotedByteStringLiteral(_) => true,
        #[rustfmt::skip]
        Token::Comma | Token::Period | Token::LParen | Token::RParen | Token::SemiColon | Token::Plus | Token::Minus | Token::Mul
        | Token::Div | Token::Mod | Token::Eq | Token::DoubleEq | Token::Neq | Token::Lt | Token::Gt | Token::LtEq | Token::GtEq
        | Token::Spaceship | Token::StringConcat | Token::Ampersand | Token::Pipe | Token::Caret | Token::Tilde | Token::Overlap
        | Token::ShiftLeft | Token::ShiftRight | Token::ExclamationMark | Token::Arrow | Token::LongArrow => true,
        _ => false,
    };
    match known {
        true => Ok(()),
        false => Err(format!("{} is not allowed", beginning(piece))),
    }
}

fn is_allowed_word(word: &Word) -> Result<(), String> {
    if word.quote_style.is_some() {
        return Ok(());
    }
    let name = word.value.to_ascii_lowercase();
    if WRITING.contains(&&*name) {
        return Err(format!("{} does more than read", word.value));
    }
    if name.strip_prefix("@@").unwrap_or(&name).contains('@') {
        return Err(format!(
            "variables such as {} are not allowed, only those of the server (@@…)",
            word.value
        ));
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!("{} begins with a digit and is not quoted", word.value));
    }
    Ok(())
}

/// The tokens without comments, blanks, and the semicolons at the end.
fn without_end(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    while tokens.last().is_some_and(|last| last.token == Token::SemiColon) {
        tokens.pop();
    }
    tokens
}

fn parsed(dialect: &dyn Dialect, tokens: &[TokenWithSpan]) -> Result<Statement, String> {
    if tokens.is_empty() {
        return Err("there is no statement".into());
    }
    if tokens.iter().any(|token| token.token == Token::SemiColon) {
        return Err("this is more than one statement".into());
    }
    let options = ParserOptions::new().with_unescape(false);
    let parser = Parser::new(dialect).with_options(options);
    let statements = parser.with_tokens_with_locations(tokens.to_vec()).parse_statements();
    let statements = statements.map_err(|error| format!("it can't be read: {error}"))?;
    let [statement] = <[Statement; 1]>::try_from(statements).map_err(|_| "this is not one statement".to_owned())?;
    Ok(statement)
}

/// Refuses words that may call a function which is not on the list.
fn calls(tokens: &[TokenWithSpan], names: &HashSet<Location>) -> Result<(), String> {
    for (index, window) in tokens.windows(2).enumerate() {
        let (Token::Word(word), Token::LParen) = (&window[0].token, &window[1].token) else {
            continue;
        };
        let qualified = index > 0 && tokens[index - 1].token == Token::Period;
        let syntax = word.quote_style.is_none() && functions::is_syntax(&word.value);
        let known = syntax || functions::is_allowed(&word.value) || names.contains(&window[0].span.start);
        if qualified || !known {
            return Err(format!("the function {} is not one that mall sql calls", word.value));
        }
    }
    Ok(())
}

/// What a walk over all parts of a statement finds.
#[derive(Default)]
struct Parts {
    /// Where the names of common table expressions stand. Parentheses behind them hold columns, and call nothing.
    names: HashSet<Location>,
    /// Why the first part that does more than read is refused; none if every part only reads.
    refusal: Option<String>,
}

impl Parts {
    fn of(statement: &Statement) -> Self {
        let mut parts = Self::default();
        let _ = statement.visit(&mut parts);
        parts
    }

    /// Notes why a part is refused, and goes on, because the names behind it are wanted too.
    fn refused(&mut self, why: Option<String>) -> ControlFlow<Infallible> {
        self.refusal = self.refusal.take().or(why);
        ControlFlow::Continue(())
    }
}

impl Visitor for Parts {
    type Break = Infallible;

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<Infallible> {
        let why = match statement {
            Statement::Query(_) | Statement::ExplainTable { .. } => None,
            Statement::Explain { statement, .. } => (!matches!(**statement, Statement::Query(_)))
                .then(|| "explain is allowed of statements that read, and this one writes".to_owned()),
            other => (!is_show(other)).then(|| "this is no statement that reads".to_owned()),
        };
        self.refused(why)
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Infallible> {
        let tables = query.with.iter().flat_map(|With { cte_tables, .. }| cte_tables);
        self.names.extend(tables.map(|table| table.alias.name.span.start));
        let foreign = query.for_clause.is_some()
            || query.settings.is_some()
            || query.format_clause.is_some()
            || !query.pipe_operators.is_empty();
        self.refused(if !query.locks.is_empty() {
            Some("for update and for share lock rows".to_owned())
        } else if foreign || !is_plain(&query.body) {
            Some("this is no statement that reads".to_owned())
        } else {
            None
        })
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Infallible> {
        self.refused(select.into.is_some().then(|| "into writes".to_owned()))
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<Infallible> {
        let plain = match table {
            TableFactor::Table { args, .. } => args.is_none(),
            TableFactor::Derived { .. } | TableFactor::NestedJoin { .. } => true,
            _ => false,
        };
        self.refused((!plain).then(|| "a function in place of a table is not allowed".to_owned()))
    }
}

fn is_plain(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(_) | SetExpr::Values(_) | SetExpr::Table(_) => true,
        SetExpr::Query(query) => is_plain(&query.body),
        SetExpr::SetOperation { left, right, .. } => is_plain(left) && is_plain(right),
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => false,
    }
}

/// Whether a statement begins with `show`. Those read on every server, and [`calls`] has refused the ones that call anything.
fn is_show(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::ShowTables { .. }
            | Statement::ShowColumns { .. }
            | Statement::ShowDatabases { .. }
            | Statement::ShowSchemas { .. }
            | Statement::ShowViews { .. }
            | Statement::ShowCreate { .. }
            | Statement::ShowFunctions { .. }
            | Statement::ShowVariable { .. }
            | Statement::ShowVariables { .. }
            | Statement::ShowStatus { .. }
            | Statement::ShowCollation { .. }
            | Statement::ShowCharset(_)
            | Statement::ShowProcessList { .. }
    )
}

fn kind(statement: &Statement, tokens: &[TokenWithSpan]) -> StatementKind {
    match statement {
        Statement::ShowTables { .. } if tokens.len() == 2 => StatementKind::Tables,
        Statement::ExplainTable { table_name, .. } => {
            let name = table_name.0.last().and_then(|part| part.as_ident());
            StatementKind::Columns(name.map(|name| name.value.clone()).unwrap_or_default())
        }
        shown if is_show(shown) => StatementKind::Show,
        _ => StatementKind::Query,
    }
}

#[cfg(test)]
#[path = "statement_tests.rs"]
mod tests;
