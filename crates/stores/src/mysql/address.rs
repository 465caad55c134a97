//! Where a database is and how to log in there, read from its address.

use std::sync::Arc;

use sqlx::ConnectOptions;
use sqlx::mysql::MySqlConnectOptions;

use shop::store::{Result, StoreError};

/// What text is compared by, said explicitly because servers differ in what they take otherwise.
pub(super) const COLLATION: &str = "utf8mb4_unicode_ci";
/// Statements kept prepared on each connection: the shapes of batches, of every table.
const PREPARED: usize = 512;

/// A database's address, taken apart.
#[derive(Clone)]
pub(super) struct Address {
    /// How to log in, without the database.
    pub server: MySqlConnectOptions,
    /// The database's name.
    pub database: Arc<str>,
    /// What to call it towards people: no password, no user.
    pub shown: Arc<str>,
}

impl Address {
    /// Reads `mysql://user:password@host:port/database`. No message of it repeats what was given: it holds a password.
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

    /// How to log in and use the database.
    pub fn with_database(&self) -> MySqlConnectOptions {
        self.server.clone().database(&self.database)
    }

    /// The statement that makes the database; its name may hold anything, hyphens for a start.
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
