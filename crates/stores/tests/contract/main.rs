//! One suite for every adapter of [`Store`]: databases may differ in what they do, but not in what the mall sees of it.
//!
//! Each case is a function over a [`Fixture`], and [`contract!`] makes it a test of every adapter.

mod batches;
mod deliveries;
mod fence;
mod fixture;
mod gaps;
mod history;
mod journal;
mod orders;
mod pages;
mod races;

mod mysql;
mod sqlite;

#[path = "../mysql/database.rs"]
#[allow(dead_code, reason = "the tests of that store alone use the rest")]
mod database;

/// Makes each case a test, in a module with the adapter's name.
macro_rules! contract {
    ($($group:ident :: $case:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                crate::$group::$case(&crate::sqlite::SqliteFixture::new()).await;
            })*
        }

        mod on_mysql {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                crate::$group::$case(&crate::mysql::MysqlFixture::new()).await;
            })*
        }
    };
}

contract! {
    orders::an_order_lives_and_its_journal_outlives_it,
    orders::the_next_order_is_told_by_number,
    orders::a_change_that_changes_nothing_writes_nothing,
    orders::what_is_not_allowed_writes_nothing,
    orders::a_missing_order_is_missing,
    orders::text_of_every_script_comes_back,
    orders::rows_of_older_systems_are_read_and_changed,
    orders::numbers_are_never_given_out_twice,
    orders::an_answer_tells_whether_the_database_is_there,
    batches::commands_of_one_order_fold,
    batches::a_batch_numbers_its_new_orders_in_order,
    batches::an_empty_batch_is_no_trouble,
    batches::of_two_on_one_version_the_first_wins,
    journal::the_last_start_is_noted_for_each_service,
    batches::a_guilty_piece_fails_alone,
    races::concurrent_changes_leave_no_hole_in_the_versions,
    races::concurrent_changes_of_two_instances_leave_no_hole,
    races::concurrent_orders_get_numbers_of_their_own,
    deliveries::a_delivery_follows_its_order,
    deliveries::the_naive_way_shows_what_goes_wrong,
    deliveries::several_events_fold_in_one_batch,
    deliveries::the_lowest_numbered_delivery_of_an_order_counts,
    deliveries::rows_of_older_systems_are_read_and_changed_too,
    deliveries::delivery_numbers_are_never_given_out_twice,
    fence::versions_apply_once_and_in_order,
    fence::an_early_version_waits_and_is_handed_over,
    fence::who_waits_hears_who_is_at_work,
    fence::what_a_crash_left_is_taken_when_its_lease_ends,
    fence::poison_parks_its_order_alone,
    fence::a_readable_event_takes_over_what_garbage_holds,
    fence::garbage_takes_nothing_over,
    fence::a_discard_of_what_never_came_is_kept,
    fence::what_was_never_written_is_forgotten,
    fence::a_lease_of_the_batch_that_parks_is_kept,
    fence::a_retry_hands_the_poison_over_and_then_what_is_behind,
    fence::a_discard_passes_over_one_version,
    fence::a_cursor_is_born_over_an_existing_delivery,
    fence::without_versions_the_deliverys_state_decides,
    fence::a_batch_of_many_orders_folds,
    fence::nothing_stays_parked_when_two_race,
    fence::a_zombies_late_write_is_refused,
    fence::what_is_parked_is_counted_and_dated,
    fence::whatever_the_interleaving_it_ends_in_order,
    gaps::marks_are_found_among_any_number,
    gaps::parked_events_are_read_page_by_page,
    gaps::a_gap_that_can_be_filled_is_filled_behind_ten_thousand_that_cannot,
    gaps::the_sweeper_comes_round_to_everything,
    journal::events_are_published_once_and_in_order,
    journal::delivery_events_have_a_journal_of_their_own,
    journal::what_waits_is_counted_and_dated,
    journal::a_lease_has_one_holder,
    journal::the_holder_of_a_lease_is_seen,
    journal::concurrent_takers_of_a_lease_get_it_once,
    history::a_journal_is_read_page_by_page_published_or_not,
    history::deliveries_are_read_by_number,
    history::the_newest_apply_of_a_version_is_recalled,
    history::the_applies_of_an_order_are_read_span_by_span,
    history::the_apply_history_says_what_took_effect_and_where_it_came_from,
    pages::pages_cut_the_table_and_count_it,
    pages::every_property_sorts,
    pages::texts_sort_without_regard_to_case_and_accents,
    pages::nulls_sort_first_and_ties_by_number,
    pages::several_properties_sort_most_important_first,
    pages::deliveries_have_pages_too,
}
