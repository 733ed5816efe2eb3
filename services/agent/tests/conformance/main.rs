//! Every package keeps the same promises, against the real system: asked twice, already there,
//! already gone, wrong type, refused, missing dependency, cut off half way, unreachable.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod halves;
mod harness;
mod ldap;
mod orders;
mod particular;
mod reading;
mod sql;
mod together;
mod types;
mod unknown;
mod writing;

/// One test for each promise, against one system.
macro_rules! conformance {
    ($system:ident, $start:expr, to_stop: $to_stop:expr) => {
        mod $system {
            use super::*;
            conformance!(@cases $start,
                writing: creation_asked_twice_has_one_effect,
                writing: creation_beside_something_else_is_a_conflict_and_touches_nothing,
                writing: creation_with_foreign_memberships_is_a_conflict,
                writing: half_done_creation_is_completed,
                writing: update_sets_values_and_tolerates_that_they_are_there,
                writing: update_clears_values,
                writing: memberships_are_deltas,
                writing: memberships_are_set_as_a_whole,
                writing: update_of_what_is_gone_says_so,
                writing: deletion_takes_memberships_along_and_tolerates_that_all_is_gone,
                writing: values_of_a_wrong_type_are_refused_and_named,
                writing: refusals_of_the_system_carry_its_code,
                writing: missing_dependency_is_named_and_mended_by_asking_again,
                writing: key_cannot_be_changed,
                writing: strange_keys_are_harmless,
                writing: confidential_values_stay_out_of_failures,
                writing: write_only_values_are_written_and_never_compared_or_told,
                writing: the_same_creation_side_by_side_has_one_effect,
                writing: creation_cut_off_anywhere_is_completed_by_asking_again,
                writing: deletion_cut_off_anywhere_is_completed_by_asking_again,
                writing: unknown_entity_types_are_refused,
                reading: export_shows_typed_values_and_memberships,
                reading: export_of_much_is_complete,
                reading: export_of_a_wrong_type_names_the_resource,
                reading: export_stops_when_nobody_reads,
            );
            conformance!(@cases $to_stop,
                writing: unreachable_system_is_a_passing_failure,
                reading: unreachable_system_fails_the_export,
                reading: check_reaches_the_system,
            );
        }
    };
    (@cases $start:expr, $($room:ident: $case:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                crate::$room::$case(&$start.await).await;
            }
        )*
    };
}

conformance!(sqlite, sql::SqlSystem::sqlite(), to_stop: sql::SqlSystem::sqlite());
conformance!(postgres, sql::SqlSystem::postgres(), to_stop: sql::SqlSystem::own_postgres());
conformance!(slapd, ldap::LdapSystem::start(), to_stop: ldap::LdapSystem::start());
