//! Every command has a story. A command that is not listed here, or whose story is gone, fails the test.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Each command, and the test that tells its story: module and function below `tests/it`.
const STORIES: &[(&str, &str)] = &[
    ("backup list", "node::backing_up::a_second_backup_copies_what_is_new_and_each_can_be_restored"),
    ("ca export", "trust::rotation::a_host_moves_to_the_new_ca_without_a_new_pin_and_nothing_stays_behind"),
    ("ca rotate", "pki::rotation::hosts_of_both_cas_are_served_until_the_announced_date"),
    ("ca seal", "pki::rotation::a_sealed_root_lets_renewals_continue_and_signs_nothing_until_unsealed"),
    ("ca show", "doctor::client::untrusted_first_and_trusted_after_the_command_that_is_named"),
    ("ca trust-command", "trust::the_server_names_the_command"),
    ("ca unseal", "pki::rotation::a_sealed_root_lets_renewals_continue_and_signs_nothing_until_unsealed"),
    ("cert import", "pki::given_certificates::a_combined_file_is_imported_without_its_key"),
    (
        "cert renew",
        "pki::certificates::a_certificate_is_swapped_under_200_connections_and_a_running_push_without_one_failure",
    ),
    ("cert request", "pki::acme::a_stopped_registry_gets_its_certificate_by_the_command_alone"),
    ("cert show", "node::first_start::an_empty_directory_becomes_a_registry_that_an_administrator_can_use"),
    ("check", "node::checking::a_flipped_bit_is_found_hidden_and_healed"),
    ("cluster status", "cluster::settings::nodes_and_what_only_one_runs_are_shown_and_one_that_stops_leaves"),
    ("completions", "cli::description::completions_know_every_command_and_are_valid_in_their_shell"),
    ("config check", "cli::configuration::an_invalid_configuration_is_told_by_line_and_key"),
    ("config default", "cli::configuration::the_sample_is_the_file_that_is_delivered_and_it_is_valid"),
    ("config show", "cli::configuration::each_value_is_shown_with_its_source"),
    ("doctor", "doctor::server::a_healthy_server_has_no_problem"),
    ("gc status", "registry::collection::stores_that_do_not_belong_together_lose_nothing"),
    ("grant add", "auth::rights::a_grant_counts_within_a_second_and_so_does_its_end"),
    ("grant explain", "cli::grants::grants_are_listed_by_grantee_and_pattern_explained_and_removed"),
    ("grant list", "cli::grants::grants_are_listed_by_grantee_and_pattern_explained_and_removed"),
    ("grant remove", "auth::rights::a_grant_counts_within_a_second_and_so_does_its_end"),
    ("guide", "guide::a_topic_is_printed_and_an_unknown_one_is_wrong_usage"),
    ("health", "cli::description::health_says_whether_the_server_of_this_data_directory_is_ready"),
    ("immutable add", "cli::immutable::an_immutable_tag_is_refused_with_the_rule_and_exceptions_work_both_ways"),
    ("immutable list", "cli::immutable::an_immutable_tag_is_refused_with_the_rule_and_exceptions_work_both_ways"),
    ("immutable remove", "cli::immutable::an_immutable_tag_is_refused_with_the_rule_and_exceptions_work_both_ways"),
    ("import distribution", "node::importing::a_distribution_3_moves_in_by_hard_links"),
    ("import finish", "node::importing::bucket::a_distribution_in_a_bucket_moves_in_by_key"),
    ("import harbor", "node::importing::a_harbor_moves_in_as_its_registry_stores_it"),
    ("import htpasswd", "node::importing::htpasswd::users_of_htpasswd_log_in_as_before_and_are_hashed_again_at_that"),
    ("import registry", "node::importing::registry::a_running_distribution_is_pulled_with_filters"),
    ("import zot", "node::importing::zot::a_zot_moves_in_with_children_referrers_and_contents_that_are_elsewhere"),
    ("init", "node::first_start::init_is_refused_the_second_time"),
    ("man", "cli::description::the_manual_is_one_page_or_one_for_each_command"),
    ("migrate finalize", "cli::migrations::an_earlier_database_is_copied_aside_upgraded_used_and_finalized"),
    ("migrate run", "cli::migrations::an_earlier_database_is_copied_aside_upgraded_used_and_finalized"),
    ("migrate status", "cli::migrations::a_new_registry_has_nothing_to_run_and_nothing_to_finalize"),
    ("migrate-storage", "node::moving::a_registry_moves_to_a_database_server_and_a_bucket_under_pushes_and_back"),
    ("quota list", "cli::quotas::a_quota_refuses_what_does_not_fit_says_what_helps_and_frees_what_is_deleted"),
    ("quota remove", "cli::quotas::a_quota_refuses_what_does_not_fit_says_what_helps_and_frees_what_is_deleted"),
    ("quota set", "cli::quotas::a_quota_refuses_what_does_not_fit_says_what_helps_and_frees_what_is_deleted"),
    ("repo history", "cli::trash::a_tag_that_was_moved_or_deleted_tells_its_history_and_is_moved_back"),
    ("repo hold", "cli::trash::what_is_held_is_refused_to_every_client_with_the_reason"),
    ("repo list", "cli::repositories::an_operator_sees_what_is_in_the_registry_and_removes_a_repository"),
    ("repo purge", "cli::trash::what_is_purged_is_gone_at_once_with_its_content"),
    ("repo release", "cli::trash::what_is_held_is_refused_to_every_client_with_the_reason"),
    ("repo remove", "cli::repositories::an_operator_sees_what_is_in_the_registry_and_removes_a_repository"),
    ("repo restore", "cli::trash::a_tag_that_was_moved_or_deleted_tells_its_history_and_is_moved_back"),
    ("repo show", "cli::repositories::an_operator_sees_what_is_in_the_registry_and_removes_a_repository"),
    ("repo tags", "cli::repositories::an_operator_sees_what_is_in_the_registry_and_removes_a_repository"),
    ("restore", "node::backing_up::a_backup_of_a_disk_is_restored_into_a_database_server_and_a_bucket"),
    ("retention add", "cli::retention::a_rule_is_previewed_rehearsed_confirmed_and_then_removes_what_it_does_not_keep"),
    (
        "retention list",
        "cli::retention::a_rule_is_previewed_rehearsed_confirmed_and_then_removes_what_it_does_not_keep",
    ),
    (
        "retention preview",
        "cli::retention::a_rule_is_previewed_rehearsed_confirmed_and_then_removes_what_it_does_not_keep",
    ),
    (
        "retention remove",
        "cli::retention::a_rule_is_previewed_rehearsed_confirmed_and_then_removes_what_it_does_not_keep",
    ),
    ("retention run", "cli::retention::a_rule_is_previewed_rehearsed_confirmed_and_then_removes_what_it_does_not_keep"),
    ("serve", "node::first_start::an_empty_directory_becomes_a_registry_that_an_administrator_can_use"),
    ("trash empty", "cli::trash::what_was_deleted_is_listed_restored_and_removed_for_good"),
    ("trash list", "cli::trash::what_was_deleted_is_listed_restored_and_removed_for_good"),
    ("trash restore", "cli::trash::what_was_deleted_is_listed_restored_and_removed_for_good"),
    ("trust", "trust::one_command_trusts_and_another_leaves_nothing"),
    ("untrust", "trust::one_command_trusts_and_another_leaves_nothing"),
    ("usage", "cli::quotas::usage_shows_each_namespace_with_what_its_removal_would_free"),
    ("user add", "auth::accounts::passwords_that_people_choose_have_ten_characters_and_are_not_guessed_first"),
    ("user disable", "cli::users::a_user_is_disabled_and_enabled_and_an_unknown_one_is_refused_by_every_verb"),
    ("user enable", "cli::users::a_user_is_disabled_and_enabled_and_an_unknown_one_is_refused_by_every_verb"),
    ("user list", "cli::users::users_are_listed_with_role_and_state_and_a_removed_one_is_gone"),
    ("user passwd", "auth::login::what_ends_a_person_ends_password_and_tokens_within_a_second"),
    ("user remove", "cli::users::users_are_listed_with_role_and_state_and_a_removed_one_is_gone"),
    ("user show", "auth::brute_force::a_locked_user_stays_locked_over_a_restart_until_unlocked"),
    ("user unlock", "auth::brute_force::a_locked_user_stays_locked_over_a_restart_until_unlocked"),
    ("version", "cli::description::the_version_is_told_in_both_forms"),
];

/// Every command that does something, as the manual has a page for each: those of nouns have pages below them.
fn commands() -> BTreeSet<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut man = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    assert!(man.env_clear().arg("man").arg(folder.path()).status().expect("it runs").success());
    let mut pages: Vec<(String, String)> = Vec::new();
    for page in fs::read_dir(folder.path()).expect("readable") {
        let path = page.expect("readable").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        pages.push((name, fs::read_to_string(&path).expect("text")));
    }
    // A page that lists subcommands is a noun's.
    let verbs = pages.iter().filter(|(_, text)| !text.contains(".SH SUBCOMMANDS"));
    verbs.map(|(name, _)| spoken(&name["portcullis-".len()..])).collect()
}

/// `ca-trust-command` is typed `ca trust-command`.
fn spoken(page: &str) -> String {
    let nouns = [
        "backup",
        "ca",
        "cert",
        "cluster",
        "config",
        "gc",
        "grant",
        "immutable",
        "import",
        "migrate",
        "quota",
        "repo",
        "retention",
        "trash",
        "user",
    ];
    match page.split_once('-') {
        Some((noun, verb)) if nouns.contains(&noun) && page != "migrate-storage" => format!("{noun} {verb}"),
        _ => page.to_owned(),
    }
}

#[test]
fn every_command_has_a_story() {
    let listed: BTreeSet<String> = STORIES.iter().map(|(command, _)| (*command).to_owned()).collect();
    assert_eq!(commands(), listed, "list the new command in STORIES, with the test that tells its story");
}

#[test]
fn every_story_that_is_listed_is_told() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    for (command, story) in STORIES {
        let (module, function) = story.rsplit_once("::").expect("a module and a function");
        let path = root.join(module.replace("::", "/"));
        let text = fs::read_to_string(path.with_extension("rs")).or_else(|_| fs::read_to_string(path.join("mod.rs")));
        let text = text.unwrap_or_else(|error| panic!("{command}: {module}: {error}"));
        assert!(text.contains(&format!("fn {function}(")), "{command}: the story {story} is gone");
    }
}
