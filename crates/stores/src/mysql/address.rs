//! A database's address: where the server is, which database to use, and how to log in.

use std::sync::Arc;

use sqlx::ConnectOptions;
use sqlx::mysql::MySqlConnectOptions;

use shop::store::{Result, StoreError};

/// The collation of all text, given explicitly because the defaults of servers differ.
pub(super) const COLLATION: &str = "utf8mb4_unicode_ci";
/// How many prepared statements each connection keeps: enough for every table and every batch size that is in use.
const PREPARED: usize = 512;

/// A database's address in its parts.
#[derive(Clone)]
pub(super) struct Address {
    /// The options to log in with, without a database.
    pub server: MySqlConnectOptions,
    /// The database's name.
    pub database: Arc<str>,
    /// The address as messages show it, without user and password.
    pub shown: Arc<str>,
}

impl Address {
    /// Reads `mysql://user:password@host:port/database`. Its error messages never repeat the address, which holds a password.
    pub fn parse(url: &str) -> Result<Self> {
        if !["mysql://", "mariadb://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(refused("it must start with mysql://"));
        }
        let options: MySqlConnectOptions = url.parse().map_err(|_| {
            refused("it can't be read; special characters of a password are written as %40 and the like")
        })?;
        let database = match options.get_database() {
            Some(name) if !name.is_empty() && name.chars().count() <= 64 && !name.contains(['/', '\0']) => {
                name.to_owned()
            }
            Some(_) => {
                return Err(refused(
                    "its database name must be of 1 to 64 characters, without a slash",
                ));
            }
            None => return Err(refused("it names no database")),
        };
        let host = options.get_host().trim_matches(['[', ']']).to_owned();
        let shown = format!("mysql://{}:{}/{database}", options.get_host(), options.get_port());
        let server = options
            .host(&host)
            .database("")
            .statement_cache_capacity(PREPARED)
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(None)
            .disable_statement_logging();
        Ok(Self {
            server,
            database: database.into(),
            shown: shown.into(),
        })
    }

    /// The options to log in with and use the database.
    pub fn with_database(&self) -> MySqlConnectOptions {
        self.server.clone().database(&self.database)
    }

    /// The statement that creates the database. The name is quoted, as it may hold hyphens and other characters.
    pub fn create_database(&self) -> String {
        let name = self.database.replace('`', "``");
        format!(
            "create database if not exists `{name}` character set utf8mb4 collate {}",
            COLLATION
        )
    }
}

fn refused(why: &str) -> StoreError {
    StoreError::Broken(format!(
        "the database's address is not one: {why}; wanted is mysql://user:password@host:3306/database"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart_and_shown_without_its_password() {
        let address = Address::parse("mysql://root:1234@localhost:3306/my-database").unwrap();
        assert_eq!(&*address.database, "my-database");
        assert_eq!(&*address.shown, "mysql://localhost:3306/my-database");
        assert!(address.create_database().contains("`my-database`"));
    }

    #[test]
    fn a_wrong_address_is_refused_without_repeating_it() {
        for url in [
            "postgres://root:s3cret@localhost/db",
            "mysql://root:s3cret@localhost",
            "mysql://root:s3cret@localhost/",
            "mysql://root:s3cret@localhost:99999/db",
            "mysql://root:s3cret@localhost/a/b",
            "s3cret",
        ] {
            let error = match Address::parse(url) {
                Err(StoreError::Broken(message)) => message,
                _ => panic!("{url} is not an address"),
            };
            assert!(error.contains("mysql://user:password@host:3306/database"), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
