//! What to try first, once everything runs: commands that work as they stand, with the number that the next order gets.

use shop::text;
use shop::text::Text;

use crate::config::RoleOptions;
use crate::{console, data_dir};

/// What the commands depend on.
pub struct Examples {
    /// The order service's port.
    order: u16,
    topic: String,
    /// The options that lead the tools to this mall's log and database, each with a space in front.
    log: String,
    database: String,
}

impl Examples {
    /// The examples for a mall whose order service has this port.
    pub fn new(order: u16, options: &RoleOptions) -> Self {
        let storage = &options.storage;
        let data = match storage.data == data_dir::default_place() {
            true => String::new(),
            false => format!(" --data {}", console::shell_word(&storage.data.display().to_string())),
        };
        Self {
            order,
            topic: options.topic.clone(),
            log: match &storage.bootstrap_server {
                Some(servers) => format!(" --bootstrap-server {}", servers.as_str()),
                None => data.clone(),
            },
            database: match &storage.database_url {
                Some(_) => " --database-url …".to_owned(),
                None => data,
            },
        }
    }

    /// The command that gives the topic so many partitions.
    pub fn grow(&self, partitions: u32) -> String {
        let (mall, topic, log) = (console::mall(), &self.topic, &self.log);
        format!("{mall} kafka-topics --alter --topic {topic} --partitions {partitions}{log}")
    }

    /// The commands. The order that the first one places has the number `next`; where that is not known, the others are left
    /// out.
    pub fn lines(&self, next: Option<i64>) -> Vec<Text> {
        let Self {
            order,
            topic,
            log,
            database,
        } = self;
        let mall = console::mall();
        let place = format!("http :{order}/orders customerId=2000 productId=100 productName=RADIO qty=3 address=PUSAN");
        let mut commands = vec![place];
        if let Some(next) = next {
            commands.push(format!("http PATCH :{order}/orders/{next} address=SEOUL"));
            commands.push(format!("http DELETE :{order}/orders/{next}"));
        }
        commands.push(format!(
            "{mall} kafka-console-consumer --topic {topic} --from-beginning{log}"
        ));
        commands.push(format!("{mall} sql \"select * from Delivery_table;\"{database}"));
        let first = text!("try         ", "해 보기       ");
        let others = text!("            ", "              ");
        let heads = std::iter::once(first).chain(std::iter::repeat(others));
        heads
            .zip(commands)
            .map(|(head, command)| head + command.into())
            .collect()
    }
}
