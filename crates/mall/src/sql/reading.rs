//! What `mall sql` runs: one statement that only reads, taken apart by a parser and put together again.
//!
//! ```text
//!   text ─▶ tokens ─▶ each of an allowed kind ─▶ syntax tree ─▶ each part of an allowed kind ─▶ tokens, without comments
//! ```
//!
//! # Invariants
//! * Everything is refused that is not on a list of what is allowed: kinds of tokens, kinds of statements, functions.
//! * The database gets exactly the tokens that were judged. What the parser took for a comment or for space is not sent, so
//!   the two can't disagree about where a comment, a string or a statement ends.
//! * A word before a parenthesis is a call, wherever it stands and whatever the parser takes it for.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast::{Query, Select, SetExpr, Statement, TableFactor, Visit, Visitor, With};
use sqlparser::dialect::{Dialect, MySqlDialect, SQLiteDialect};
use sqlparser::parser::{Parser, ParserOptions};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Whitespace, Word};

use super::functions;
use crate::exit::Usage;

/// The longest statement, in bytes. The tree of a longer one may be deeper than our stack.
const LONGEST: usize = 16 * 1024;
/// Enough for the deepest tree that a statement of that length can make.
const STACK: usize = 256 * 1024 * 1024;

/// Comments that a server runs.
const RUN_COMMENTS: [&str; 4] = ["/*!", "/*m!", "/*+", "--+"];
/// Words that no reading statement needs, unless quoted: they write a file, set a variable, or lock.
const WRITING: [&str; 6] = ["into", "outfile", "dumpfile", "update", "lock", "procedure"];

/// Whose words a statement is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    /// MySQL and MariaDB.
    MySql,
    /// SQLite.
    Sqlite,
}

/// A statement that only reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What kind it is.
    pub kind: Kind,
    /// Its text: the tokens that were judged.
    pub text: String,
}

/// What kind of statement it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `show tables`, without anything behind it.
    Tables,
    /// `desc` of a table.
    Columns(String),
    /// Another `show`.
    Show,
    /// `select`, `with`, `values`, `table`, or `explain` of one of them.
    Query,
}

/// Takes a statement apart.
///
/// # Errors
/// Whatever is not one statement that only reads; the sentence says what stands in the way and what is allowed.
pub fn read(text: &str, speech: Speech) -> Result<Reading, Usage> {
    let read = std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(STACK);
        builder
            .spawn_scoped(scope, || taken_apart(text, speech))?
            .join()
            .map_err(|_| std::io::Error::other("panicked"))
    });
    let read = read.unwrap_or_else(|error| Err(format!("the statement can't be taken apart: {error}")));
    read.map_err(|why| {
        Usage(format!(
            "mall sql only reads: {why}; allowed is one statement: select, with, values, table, show, desc, or explain of these"
        ))
    })
}

fn taken_apart(text: &str, speech: Speech) -> Result<Reading, String> {
    if text.len() > LONGEST {
        return Err(format!("the statement is longer than {LONGEST} bytes"));
    }
    let text = &*table_as_select(text);
    let lower = text.to_ascii_lowercase();
    if let Some(comment) = RUN_COMMENTS.iter().find(|start| lower.contains(**start)) {
        return Err(format!("comments that a server runs ({comment} …) are not passed on"));
    }
    let dialect: &dyn Dialect = match speech {
        Speech::MySql => &MySqlDialect {},
        Speech::Sqlite => &SQLiteDialect {},
    };
    let tokens = Tokenizer::new(dialect, text)
        .with_unescape(false)
        .tokenize_with_location();
    let tokens = tokens.map_err(|error| format!("it can't be read: {error}"))?;
    let pieces = pieces(text, &tokens)?;
    let tokens = without_end(tokens);
    let statement = parsed(dialect, &tokens)?;
    calls(&tokens, &names(&statement))?;
    if let ControlFlow::Break(why) = statement.visit(&mut OnlyReading) {
        return Err(why);
    }
    Ok(Reading {
        kind: kind(&statement, &tokens),
        text: pieces.trim().trim_end_matches([';', ' ']).to_owned(),
    })
}

/// `table T` is short for `select * from T`, which databases understand that don't know the short form.
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

/// The text again, token by token, with a blank for each comment. Each token must be what stands in the text.
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
            return Err(format!("a number and a word are not set apart in {}", beginning(rest)));
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

/// How much of the text a token takes; nothing where it isn't what stands there.
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

/// Whether a token is of a kind that every parser takes for the same.
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
        false => Err(format!("{} is not taken", beginning(piece))),
    }
}

fn is_allowed_word(word: &Word) -> Result<(), String> {
    if word.quote_style.is_some() {
        return Ok(());
    }
    let name = word.value.to_ascii_lowercase();
    if WRITING.contains(&&*name) {
        return Err(format!("{} is not reading", word.value));
    }
    if name.strip_prefix("@@").unwrap_or(&name).contains('@') {
        return Err(format!(
            "variables such as {} are not taken, only those of the server (@@…)",
            word.value
        ));
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!("{} begins with a digit and is not quoted", word.value));
    }
    Ok(())
}

/// The tokens that mean something, without the semicolons at the end.
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

/// Refuses what may be a call of a function that is not on the list.
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

/// Where the names of common table expressions stand, which may have columns in parentheses.
fn names(statement: &Statement) -> HashSet<Location> {
    struct Names(HashSet<Location>);
    impl Visitor for Names {
        type Break = ();
        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            let tables = query.with.iter().flat_map(|With { cte_tables, .. }| cte_tables);
            self.0.extend(tables.map(|table| table.alias.name.span.start));
            ControlFlow::Continue(())
        }
    }
    let mut names = Names(HashSet::new());
    let _ = statement.visit(&mut names);
    names.0
}

/// Looks at every part of a statement, and stops at the first that does more than read.
struct OnlyReading;

impl Visitor for OnlyReading {
    type Break = String;

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<String> {
        let why = match statement {
            Statement::Query(_) | Statement::ExplainTable { .. } => None,
            Statement::Explain { statement, .. } => (!matches!(**statement, Statement::Query(_)))
                .then(|| "of what writes there is no explain here".to_owned()),
            other => (!is_show(other)).then(|| "this writes or is something else".to_owned()),
        };
        refused(why)
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
        let foreign = query.for_clause.is_some()
            || query.settings.is_some()
            || query.format_clause.is_some()
            || !query.pipe_operators.is_empty();
        refused(if !query.locks.is_empty() {
            Some("for update and for share lock rows".to_owned())
        } else if foreign || !is_plain(&query.body) {
            Some("this writes or is something else".to_owned())
        } else {
            None
        })
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<String> {
        refused(select.into.is_some().then(|| "into writes".to_owned()))
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<String> {
        let plain = match table {
            TableFactor::Table { args, .. } => args.is_none(),
            TableFactor::Derived { .. } | TableFactor::NestedJoin { .. } => true,
            _ => false,
        };
        refused((!plain).then(|| "functions don't make tables here".to_owned()))
    }
}

fn refused(why: Option<String>) -> ControlFlow<String> {
    why.map_or(ControlFlow::Continue(()), ControlFlow::Break)
}

fn is_plain(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(_) | SetExpr::Values(_) | SetExpr::Table(_) => true,
        SetExpr::Query(query) => is_plain(&query.body),
        SetExpr::SetOperation { left, right, .. } => is_plain(left) && is_plain(right),
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => false,
    }
}

/// What begins with `show` reads, on every server; what stands behind it calls nothing, or [`calls`] has refused it.
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

fn kind(statement: &Statement, tokens: &[TokenWithSpan]) -> Kind {
    match statement {
        Statement::ShowTables { .. } if tokens.len() == 2 => Kind::Tables,
        Statement::ExplainTable { table_name, .. } => {
            let name = table_name.0.last().and_then(|part| part.as_ident());
            Kind::Columns(name.map(|name| name.value.clone()).unwrap_or_default())
        }
        shown if is_show(shown) => Kind::Show,
        _ => Kind::Query,
    }
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
