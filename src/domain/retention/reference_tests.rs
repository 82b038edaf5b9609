//! Random repositories: every decision agrees with one that is made the slow and obvious way, and after a collection without retention's
//! help, what is kept has everything that it reaches. `PROPTEST_CASES` says how many (1000000 by hand).

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::judge_tests::{Builder, circumstances, rule};
use super::*;

const LEAST_CASES: u32 = 3000;
const CLAUSES: [&str; 7] =
    ["newest=1", "newest=2", "newest=1:version", "pushed-within=20d", "pulled-within=30d", "matching=v*", "signed"];
const NAMES: [&str; 12] =
    ["v1", "v2", "v10", "1.2", "v2-rc1", "v3-rc2", "latest", "main", "pr-1", "pr-2", "nightly", "v1.2_b"];
const PATTERNS: [&str; 4] = ["*", "v*", "pr-*", "*a*"];

fn config() -> ProptestConfig {
    let of_environment = ProptestConfig::default();
    let cases = of_environment.cases.max(LEAST_CASES);
    ProptestConfig { cases, failure_persistence: None, ..of_environment }
}

/// A manifest: age, two children, subject, signature, last pull; references to later manifests count as absent.
type RandomManifest = (i64, [usize; 2], usize, bool, Option<i64>);
/// A tag: which name (or which manifest it belongs to), manifest, age, last pull, whether it is held.
type RandomTag = (usize, usize, i64, Option<i64>, bool);

fn repository(manifests: Vec<RandomManifest>, tags: Vec<RandomTag>) -> RepositoryGraph {
    let mut builder = Builder::default();
    for (age, children, subject, is_signature, pulled) in manifests {
        let place = builder.0.manifests.len();
        let children: BTreeSet<_> = children.into_iter().filter(|child| *child < place).collect();
        let subject = Some(subject).filter(|subject| *subject < place);
        builder.manifest(age, &children.into_iter().collect::<Vec<_>>(), subject);
        let node = &mut builder.0.manifests[place];
        node.is_signature = is_signature;
        node.pulled_at = pulled.map(|age| node.pushed_at.max(1000 * 86_400 - age * 86_400));
    }
    let mut names = BTreeSet::new();
    for (name, manifest, age, pulled, is_held) in tags {
        let manifest = manifest % builder.0.manifests.len();
        let name = match NAMES.get(name) {
            Some(name) => (*name).to_owned(),
            None => format!("sha256-{:064x}{}", name - NAMES.len(), if age % 2 == 0 { ".sig" } else { "" }),
        };
        if names.insert(name.clone()) {
            builder.tag(&name, manifest, age);
            let node = builder.0.tags.last_mut().expect("a tag");
            (node.is_held, node.pulled_at) = (is_held, pulled.map(|age| 1000 * 86_400 - age * 86_400));
        }
    }
    builder.0
}

fn rules(texts: &[(usize, usize, usize, bool)]) -> Vec<RetentionRule> {
    let numbered = (1..).zip(texts);
    let one = |(id, (pattern, first, second, is_rehearsed)): (i64, &(usize, usize, usize, bool))| {
        let tags = PATTERNS.get(*pattern).copied();
        let clauses = match tags {
            Some(_) => [CLAUSES[*first], CLAUSES[*second]].join(","),
            None => CLAUSES[3 + first % 2].to_owned(),
        };
        RetentionRule { is_rehearsed: *is_rehearsed, ..rule(id, tags, &clauses) }
    };
    numbered.map(one).collect()
}

/// What a manifest reaches: what it lists, and what refers to any of that.
fn closure(graph: &RepositoryGraph, manifest: usize, found: &mut BTreeSet<usize>) {
    if found.insert(manifest) {
        let node = &graph.manifests[manifest];
        let referrers = graph.manifests.iter().enumerate().filter(|(_, other)| other.subject == Some(manifest));
        for next in node.children.iter().copied().chain(referrers.map(|(place, _)| place)) {
            closure(graph, next, found);
        }
    }
}

/// What the collector leaves once the tags and manifests that retention removes are gone: it deletes a manifest that has lost its last tag,
/// index and subject, and that alone.
fn collected(graph: &RepositoryGraph, judgement: &Judgement) -> BTreeSet<usize> {
    let mut live: BTreeSet<usize> = (0..graph.manifests.len()).collect();
    let tags: Vec<&TagNode> =
        graph.tags.iter().zip(&judgement.tags).filter(|(_, decision)| decision.is_kept).map(|(node, _)| node).collect();
    let removed_tags = graph.tags.iter().zip(&judgement.tags).filter(|(_, decision)| !decision.is_kept);
    let mut queue: Vec<usize> = removed_tags.map(|(node, _)| node.manifest).collect();
    let mut deleted: Vec<usize> =
        judgement.untagged.iter().filter(|(_, decision)| !decision.is_kept).map(|(place, _)| *place).collect();
    loop {
        while let Some(manifest) = deleted.pop() {
            live.remove(&manifest);
            queue.extend(&graph.manifests[manifest].children);
            queue.extend(live.iter().filter(|other| graph.manifests[**other].subject == Some(manifest)));
        }
        let Some(manifest) = queue.pop() else { return live };
        let node = &graph.manifests[manifest];
        let is_kept = tags.iter().any(|tag| tag.manifest == manifest)
            || live.iter().any(|other| graph.manifests[*other].children.contains(&manifest))
            || node.subject.is_some_and(|subject| live.contains(&subject));
        if live.contains(&manifest) && !is_kept {
            deleted.push(manifest);
        }
    }
}

/// Whether a clause of its own rule keeps a tag that belongs to no other manifest.
fn reference_keeps(graph: &RepositoryGraph, rules: &[RetentionRule], tag: &TagNode) -> bool {
    let own = |tag: &TagNode| {
        let matches = |rule: &&RetentionRule| matches!(&rule.selects, Selection::Tags(on) if on.matches(&tag.tag));
        rules.iter().rfind(matches)
    };
    let Some(rule) = own(tag) else { return true };
    if tag.is_held || !rule.is_rehearsed {
        return true;
    }
    let within = |time: i64, days: i64| time >= (1000 - days) * 86_400;
    let belongs = |tag: &TagNode| belongs(graph, tag).is_some();
    let family: Vec<&TagNode> =
        graph.tags.iter().filter(|other| own(other).is_some_and(|own| own.id == rule.id) && !belongs(other)).collect();
    let best = |manifest: usize, by: Order| {
        let of_image = family.iter().filter(|other| other.manifest == manifest);
        let of_order = of_image.filter(|other| by == Order::Push || Version::of(other.tag.as_str()).is_some());
        let version = |other: &TagNode| if by == Order::Version { Version::of(other.tag.as_str()) } else { None };
        let keys: Vec<_> = of_order.map(|other| (version(other), other.pushed_at)).collect();
        let newest = keys.iter().map(|(version, _)| version.clone()).max()?;
        Some((newest, keys.iter().map(|(_, pushed_at)| *pushed_at).max(), manifest))
    };
    let is_newest = |count: usize, by: Order| {
        let images: BTreeSet<usize> = family.iter().map(|other| other.manifest).collect();
        let Some(ours) = best(tag.manifest, by) else { return false };
        images.into_iter().filter_map(|manifest| best(manifest, by)).filter(|other| *other > ours).count() < count
    };
    let mut listed = BTreeSet::new();
    children(graph, tag.manifest, &mut listed);
    let pulled = listed.iter().filter_map(|place| graph.manifests[*place].pulled_at).max().max(tag.pulled_at);
    let keeps = |clause: &Keep| match clause {
        Keep::Newest { count, by } => is_newest(count.get() as usize, *by),
        Keep::PushedWithin(_) => within(tag.pushed_at, 20),
        Keep::PulledWithin(_) => within(tag.pushed_at, 30) || pulled.is_some_and(|at| within(at, 30)),
        Keep::Matching(pattern) => pattern.matches(&tag.tag),
        Keep::Signed => is_signed(graph, tag.manifest),
    };
    let only_versions = rule.keep.iter().all(|clause| matches!(clause, Keep::Newest { by: Order::Version, .. }));
    rule.keep.iter().any(keeps) || only_versions && best(tag.manifest, Order::Version).is_none()
}

fn children(graph: &RepositoryGraph, manifest: usize, found: &mut BTreeSet<usize>) {
    found.insert(manifest);
    graph.manifests[manifest].children.iter().for_each(|child| children(graph, *child, found));
}

fn is_signed(graph: &RepositoryGraph, manifest: usize) -> bool {
    let name = format!("sha256-{manifest:064x}.sig");
    graph.manifests.iter().any(|other| other.subject == Some(manifest) && other.is_signature)
        || graph.tags.iter().any(|tag| tag.tag.as_str() == name)
}

/// The manifest that a tag belongs to, by its name or by its manifest's subject.
fn belongs(graph: &RepositoryGraph, tag: &TagNode) -> Option<usize> {
    let hex = tag.tag.as_str().strip_prefix("sha256-").and_then(|rest| rest.get(..64));
    let by_name = hex.and_then(|hex| usize::from_str_radix(hex, 16).ok()).filter(|at| *at < graph.manifests.len());
    by_name.or(graph.manifests[tag.manifest].subject)
}

proptest! {
    #![proptest_config(config())]
    #[test]
    fn nothing_kept_loses_anything_that_it_reaches(
        manifests in prop::collection::vec(
            (0..60_i64, [0..14_usize, 0..14], 0..20_usize, any::<bool>(), prop::option::of(0..60_i64)), 1..10),
        tags in prop::collection::vec(
            (0..NAMES.len() + 8, 0..10_usize, 0..60_i64, prop::option::of(0..60_i64), prop::bool::weighted(0.1)), 0..9),
        texts in prop::collection::vec(
            (0..=PATTERNS.len(), 0..CLAUSES.len(), 0..CLAUSES.len(), prop::bool::weighted(0.9)), 0..4),
    ) {
        let (graph, rules) = (repository(manifests, tags), rules(&texts));
        let judgement = judge(&graph, &circumstances(&rules));
        let live = collected(&graph, &judgement);
        let kept_tags = graph.tags.iter().zip(&judgement.tags).filter(|(_, decision)| decision.is_kept);
        let kept_untagged = judgement.untagged.iter().filter(|(_, decision)| decision.is_kept);
        let mut kept = BTreeSet::new();
        let roots = kept_tags.map(|(node, _)| node.manifest).chain(kept_untagged.map(|(manifest, _)| *manifest));
        roots.for_each(|manifest| closure(&graph, manifest, &mut kept));
        for (node, decision) in graph.tags.iter().zip(&judgement.tags) {
            let subject = belongs(&graph, node);
            if subject.is_none() {
                prop_assert_eq!(decision.is_kept, reference_keeps(&graph, &rules, node), "{:?}: {:?}", node, decision);
            }
            if subject.is_some_and(|subject| kept.contains(&subject)) {
                prop_assert!(decision.is_kept, "it refers to a manifest that is kept: {:?}: {:?}", node, decision);
            }
        }
        prop_assert!(kept.is_subset(&live), "{:?} of {:?}", live, kept);
        for (manifest, decision) in &judgement.untagged {
            prop_assert_eq!(decision.is_kept, live.contains(manifest));
        }
        let lost: BTreeSet<usize> = judgement.lost.iter().copied().collect();
        let gone: BTreeSet<usize> = (0..graph.manifests.len()).filter(|place| !live.contains(place)).collect();
        prop_assert_eq!(lost, gone, "what a preview counts is what the collector removes");
    }
}
