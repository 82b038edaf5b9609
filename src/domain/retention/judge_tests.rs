//! Cases that operators know: newest by push and by version, pulls through an index, signatures, what is held, and first runs.

use super::*;
use crate::domain::{Digest, ImmutableRule, ImmutableRules, TagProtection};

const DAY: i64 = 86_400;
const NOW: i64 = 1000 * DAY;

/// A repository that is put together step by step; ages are in days.
#[derive(Default)]
pub(super) struct Builder(pub(super) RepositoryGraph);

impl Builder {
    pub(super) fn manifest(&mut self, age: i64, children: &[usize], subject: Option<usize>) -> usize {
        let place = self.0.manifests.len();
        let digest: Digest = format!("sha256:{place:064x}").parse().expect("a digest");
        let (children, pushed_at) = (children.to_vec(), NOW - age * DAY);
        let node = ManifestNode {
            digest,
            children,
            subject,
            is_in_trash: false,
            is_signature: false,
            pushed_at,
            pulled_at: None,
        };
        self.0.manifests.push(node);
        place
    }

    pub(super) fn tag(&mut self, tag: &str, manifest: usize, age: i64) {
        let (tag, pushed_at) = (tag.parse().expect("a tag"), NOW - age * DAY);
        self.0.tags.push(TagNode { tag, manifest, pushed_at, pulled_at: None, is_held: false });
    }

    /// An image with this tag.
    pub(super) fn image(&mut self, tag: &str, age: i64) -> usize {
        let manifest = self.manifest(age, &[], None);
        self.tag(tag, manifest, age);
        manifest
    }
}

pub(super) fn rule(id: i64, tags: Option<&str>, keep: &str) -> RetentionRule {
    let selects = tags.map_or(Selection::Untagged, |tags| Selection::Tags(tags.parse().expect("a pattern")));
    let (on, keep) = ("**".parse().expect("a glob"), keep.parse().expect("clauses"));
    RetentionRule { id, on, selects, keep, is_rehearsed: true }
}

pub(super) fn circumstances(rules: &[RetentionRule]) -> Circumstances<'_> {
    Circumstances {
        rules: rules.iter().collect(),
        protection: TagProtection::default(),
        now: NOW,
        pulls_since: Some(0),
        untagged_before: NOW - DAY,
        rehearses: false,
    }
}

/// The tags that are kept.
fn kept(graph: &RepositoryGraph, judgement: &Judgement) -> Vec<String> {
    let kept = graph.tags.iter().zip(&judgement.tags).filter(|(_, decision)| decision.is_kept);
    kept.map(|(node, _)| node.tag.to_string()).collect()
}

fn kept_by(graph: &RepositoryGraph, rules: &[RetentionRule]) -> Vec<String> {
    kept(graph, &judge(graph, &circumstances(rules)))
}

#[test]
fn the_newest_images_are_kept_with_all_of_their_tags() {
    let mut builder = Builder::default();
    for age in 1..=5 {
        let manifest = builder.image(&format!("v{age}"), age);
        if age == 2 {
            builder.tag("latest", manifest, 9);
        }
    }
    assert_eq!(kept_by(&builder.0, &[rule(1, Some("*"), "newest=2")]), ["v1", "v2", "latest"]);
    let same_second: Vec<_> = builder.0.tags.iter_mut().map(|node| node.pushed_at = NOW).collect();
    assert_eq!(same_second.len(), 6);
    assert_eq!(kept_by(&builder.0, &[rule(1, Some("*"), "newest=1")]), ["v5"], "the one that was pushed last");
}

#[test]
fn versions_count_as_versions_and_other_tags_are_left_to_other_clauses() {
    let mut builder = Builder::default();
    for (age, tag) in ["v1.10.0", "v1.9.0", "v2.0.0-rc.1", "v1.2.0", "main"].into_iter().enumerate() {
        builder.image(tag, 50 + i64::try_from(age).expect("small"));
    }
    assert_eq!(kept_by(&builder.0, &[rule(1, Some("*"), "newest=2:version")]), ["v1.10.0", "v1.9.0", "main"]);
    assert_eq!(kept_by(&builder.0, &[rule(1, Some("*"), "newest=1:version,pushed-within=1d")]), ["v1.10.0"]);
    assert_eq!(kept_by(&builder.0, &[rule(1, Some("v*"), "newest=4:version")]).len(), 5);
}

#[test]
fn the_last_rule_that_matches_a_tag_decides_and_without_one_it_stays() {
    let mut builder = Builder::default();
    for tag in ["pr-1", "pr-2", "v1", "other"] {
        builder.image(tag, 20);
    }
    let rules =
        [rule(1, Some("v*"), "newest=1"), rule(2, Some("p*"), "newest=9"), rule(3, Some("pr-*"), "pushed-within=7d")];
    assert_eq!(kept_by(&builder.0, &rules), ["v1", "other"]);
    assert_eq!(kept_by(&builder.0, &[]).len(), 4);
}

#[test]
fn a_pull_of_a_child_counts_for_its_index_and_every_tag_of_that() {
    let mut builder = Builder::default();
    let platforms = [builder.manifest(200, &[], None), builder.manifest(200, &[], None)];
    let inner = builder.manifest(200, &platforms[1..], None);
    let index = builder.manifest(200, &[platforms[0], inner], None);
    builder.tag("v1", index, 200);
    builder.tag("latest", index, 200);
    builder.image("unused", 200);
    builder.image("new", 3);
    let rules = [rule(1, Some("*"), "pulled-within=90d")];
    assert_eq!(kept_by(&builder.0, &rules), ["new"], "not pulled yet, but pushed within that time");
    builder.0.manifests[platforms[1]].pulled_at = Some(NOW - 80 * DAY);
    assert_eq!(kept_by(&builder.0, &rules), ["v1", "latest", "new"]);

    let recorded_since_lately = Circumstances { pulls_since: Some(NOW - DAY), ..circumstances(&rules) };
    assert_eq!(kept(&builder.0, &judge(&builder.0, &recorded_since_lately)).len(), 4, "unknown means keep");
    let not_recorded = Circumstances { pulls_since: None, ..circumstances(&rules) };
    assert_eq!(kept(&builder.0, &judge(&builder.0, &not_recorded)).len(), 4);
}

#[test]
fn signatures_live_and_die_with_their_image() {
    let mut builder = Builder::default();
    let (old, new) = (builder.image("old", 90), builder.image("new", 1));
    for subject in [old, new] {
        let by_referrer = builder.manifest(90, &[], Some(subject));
        let fallback = builder.manifest(90, &[by_referrer], None);
        builder.tag(&format!("sha256-{subject:064x}"), fallback, 90);
        let signature = builder.manifest(90, &[], None);
        builder.tag(&format!("sha256-{subject:064x}.sig"), signature, 90);
    }
    let rules = [rule(1, Some("*"), "newest=1")];
    let judgement = judge(&builder.0, &circumstances(&rules));
    let kept_tags = kept(&builder.0, &judgement);
    assert!(kept_tags.len() == 3 && kept_tags.iter().all(|tag| tag == "new" || tag.contains("0001")), "{kept_tags:?}");
    assert_eq!(judgement.lost.len(), 4, "the image, its referrer, the list of that, and the signature: {judgement:?}");
    assert_eq!(kept_by(&builder.0, &[rule(1, Some("*"), "signed")]).len(), 6);
    builder.0.tags.retain(|node| !node.tag.as_str().contains(".sig"));
    assert_eq!(kept_by(&builder.0, &[rule(1, Some("*"), "signed")]), [""; 0]);
}

#[test]
fn what_is_held_immutable_or_of_unknown_age_stays() {
    let mut builder = Builder::default();
    for tag in ["held", "immutable", "expiring", "unknown", "old"] {
        builder.image(tag, 90);
    }
    builder.0.tags[0].is_held = true;
    builder.0.tags[3].pushed_at = 0;
    let immutable = |id, tags: &str, expires| ImmutableRule {
        id,
        on: "**".parse().expect("a glob"),
        tags: tags.parse().expect("a pattern"),
        mutable: false,
        after: None,
        expires,
    };
    let protection = ImmutableRules::new(vec![immutable(1, "immutable", false), immutable(2, "expiring", true)]);
    let rules = [rule(7, Some("*"), "pushed-within=7d")];
    let circumstances =
        Circumstances { protection: protection.of(&"app".parse().expect("a name")), ..circumstances(&rules) };
    let judgement = judge(&builder.0, &circumstances);
    assert_eq!(kept(&builder.0, &judgement), ["held", "immutable", "unknown"]);
    assert_eq!(judgement.tags[1].reason, Reason::Immutable(1));
    assert_eq!((judgement.tags[4].rule, &judgement.tags[4].reason), (Some(7), &Reason::NotKept));
    builder.0.is_held = true;
    assert_eq!(kept(&builder.0, &judge(&builder.0, &circumstances)).len(), 5);
}

#[test]
fn a_rule_that_has_never_run_removes_nothing_unless_it_is_rehearsed() {
    let mut builder = Builder::default();
    builder.image("old", 90);
    let rules = [RetentionRule { is_rehearsed: false, ..rule(1, Some("*"), "pushed-within=7d") }];
    assert_eq!(judge(&builder.0, &circumstances(&rules)).tags[0].reason, Reason::FirstRun);
    let rehearsal = Circumstances { rehearses: true, ..circumstances(&rules) };
    assert!(!judge(&builder.0, &rehearsal).tags[0].is_kept);
}

#[test]
fn untagged_manifests_have_an_age_of_their_own() {
    let mut builder = Builder::default();
    let child = builder.manifest(90, &[], None);
    let index = builder.manifest(90, &[child], None);
    builder.tag("v1", index, 90);
    let old = builder.manifest(90, &[], None);
    let referrer = builder.manifest(1, &[], Some(old));
    let recent = builder.manifest(3, &[], None);
    let referred_to = builder.manifest(90, &[], None);
    let tagged_referrer = builder.manifest(90, &[], Some(referred_to));
    builder.tag("sbom", tagged_referrer, 90);
    let judged = |rules: &[RetentionRule]| {
        let judgement = judge(&builder.0, &circumstances(rules));
        assert!(judgement.tags.iter().all(|decision| decision.is_kept));
        let removed = judgement.untagged.iter().filter(|(_, decision)| !decision.is_kept);
        (removed.map(|(manifest, _)| *manifest).collect::<Vec<_>>(), judgement.lost)
    };
    assert_eq!(judged(&[rule(1, Some("*"), "newest=9")]), (vec![], vec![]), "no rule is about them");
    assert_eq!(judged(&[rule(1, None, "pushed-within=7d")]), (vec![old], vec![old, referrer]));
    assert_eq!(judged(&[rule(1, None, "pushed-within=1s")]).0, [old, recent]);
    assert!(rule(1, None, "newest=1").validate().is_err() && rule(1, None, "signed").validate().is_ok());
}
