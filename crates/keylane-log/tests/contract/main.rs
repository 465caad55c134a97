//! What every log must do: each case runs on the embedded log, on the same log in memory, and on Kafka.
//!
//! Cases that need a call that waits are not for the log in memory, whose calls never do.
//!
//! The part on Kafka needs a broker whose address (`host:port`) is in `MALL_TEST_KAFKA`, and a folder with Kafka's own
//! tools in `MALL_TEST_KAFKA_TOOLS`. It fails without them.

mod groups;
#[cfg(feature = "kafka")]
mod kafka_limits;
#[cfg(feature = "kafka")]
mod kafka_only;
#[cfg(feature = "kafka")]
mod kafka_scans;
mod member;
mod records;
mod scans;
mod world;

/// Makes a test of each case on each log.
macro_rules! contract {
    (
        any log: $($module:ident :: $case:ident),* $(,)?;
        logs that wait: $($waiting:ident :: $waits:ident),* $(,)?;
    ) => {
        #[cfg(feature = "embedded")]
        mod embedded {
            $(#[test] fn $case() { crate::$module::$case(&crate::world::Embedded::new()); })*
            $(#[test] fn $waits() { crate::$waiting::$waits(&crate::world::Embedded::new()); })*
        }
        #[cfg(feature = "embedded")]
        mod memory {
            $(#[test] fn $case() { crate::$module::$case(&crate::world::Memory::new()); })*
        }
        #[cfg(feature = "kafka")]
        mod kafka {
            $(#[test] fn $case() { crate::$module::$case(&crate::world::Kafka::new()); })*
            $(#[test] fn $waits() { crate::$waiting::$waits(&crate::world::Kafka::new()); })*
        }
    };
}

contract! {
    any log:
    records::keys_lie_where_java_puts_them,
    records::a_partition_keeps_the_order,
    records::records_come_back_as_they_were,
    records::a_megabyte_comes_back,
    records::an_explicit_partition_wins_over_the_key,
    records::one_refused_record_does_not_refuse_the_others,
    records::pages_follow_each_other,
    records::reading_outside_of_a_partition,
    records::an_unknown_topic_is_refused,
    records::topics_are_created_once_and_only_grow,
    records::a_refusal_to_create_gives_the_reason,
    records::a_new_partition_is_used_soon,
    scans::many_partitions_are_read_together,
    scans::a_scan_shows_what_stands_between_its_bounds,
    scans::the_log_may_be_used_during_a_scan,
    groups::a_group_reads_everything_once,
    groups::partitions_move_without_overlap,
    groups::commits_survive_a_restart,
    groups::a_commit_for_a_partition_given_back_is_refused,
    groups::a_member_that_sleeps_too_long_is_fenced,
    groups::a_drain_too_slow_loses_the_partition,
    groups::a_new_partition_is_read_soon,
    groups::a_paused_partition_is_silent,
    groups::a_member_that_leaves_is_gone_at_once,
    groups::a_group_is_seen_from_outside,
    groups::a_reset_waits_for_nobody_to_be_in_the_group,
    groups::a_group_goes_once_nobody_is_in_it,
    groups::a_new_group_can_be_given_offsets;

    logs that wait:
    groups::a_revoke_waits_for_the_drain,
    groups::leaving_waits_for_the_drain;
}
