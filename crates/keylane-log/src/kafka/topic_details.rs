//! What only Kafka's brokers tell of a topic.

/// A topic's id and settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDetails {
    /// The id as Java's tools write it (base64 for URLs); `None` if the brokers give topics none.
    pub id: Option<String>,
    /// Every setting that the topic has, with the brokers' defaults.
    pub settings: Vec<TopicSetting>,
}

/// A setting of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSetting {
    /// The setting's name, such as `cleanup.policy`.
    pub name: String,
    /// The setting's value; `None` if the brokers keep it to themselves.
    pub value: Option<String>,
    /// Whether nobody has set it: neither for the topic nor for the brokers.
    pub is_default: bool,
}
