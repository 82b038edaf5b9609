//! Decides about every tag and untagged manifest of a repository, in time proportional to its size.
//!
//! A tag belongs to the last rule that matches it, and is kept if one of that rule's clauses keeps it. What a kept tag reaches is kept: what
//! its index lists, what refers to that as its subject, and the tags that belong to it. A tag without a rule is kept, and so is everything of
//! which it is unknown whether a clause would keep it.

use std::collections::HashMap;

use super::graph::RepositoryGraph;
use super::keep::{Keep, Order};
use super::links::{Links, pull_times};
use super::lost::lost;
use super::reason::Reason;
use super::rule::{RetentionRule, Selection};
use super::version::Version;
use crate::domain::{TagProtection, TimeSpan};

/// What the decisions depend on besides the repository.
#[derive(Clone, Debug)]
pub struct Circumstances<'r> {
    /// The rules about this repository, in order.
    pub rules: Vec<&'r RetentionRule>,
    /// What makes its tags immutable.
    pub protection: TagProtection,
    /// The date and time, in seconds.
    pub now: i64,
    /// Since when pulls are recorded without a gap; `None` where they are not.
    pub pulls_since: Option<i64>,
    /// Untagged manifests that were pushed later are left alone.
    pub untagged_before: i64,
    /// Whether rules that have never run decide, too.
    pub rehearses: bool,
}

/// What was decided about a tag or manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it stays.
    pub is_kept: bool,
    /// The number of its rule.
    pub rule: Option<i64>,
    /// Why.
    pub reason: Reason,
}

/// What was decided about a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// About each tag of the graph, in its order.
    pub tags: Vec<Decision>,
    /// About each manifest without a tag, index or subject, by its place in the graph.
    pub untagged: Vec<(usize, Decision)>,
    /// The manifests that nothing keeps any more afterwards.
    pub lost: Vec<usize>,
}

impl Decision {
    fn kept(rule: Option<&RetentionRule>, reason: Reason) -> Self {
        Self { is_kept: true, rule: rule.map(|rule| rule.id), reason }
    }

    fn removed(rule: Option<&RetentionRule>, reason: Reason) -> Self {
        Self { is_kept: false, rule: rule.map(|rule| rule.id), reason }
    }
}

/// Decides.
pub fn judge(graph: &RepositoryGraph, circumstances: &Circumstances<'_>) -> Judgement {
    let bench = Bench::new(graph, circumstances);
    let tags = (0..graph.tags.len()).map(|tag| bench.at_first(tag)).collect();
    let untagged = (0..graph.manifests.len()).map(|manifest| bench.untagged(manifest)).collect();
    let mut spread = Spread { bench: &bench, tags, untagged, is_reached: vec![false; graph.manifests.len()] };
    spread.start_at_all_kept();
    spread.decide_followers();
    spread.judgement()
}

/// Everything that a single decision needs.
struct Bench<'a> {
    graph: &'a RepositoryGraph,
    circumstances: &'a Circumstances<'a>,
    links: Links,
    pulled: Vec<Option<i64>>,
    /// The rule of each tag.
    rules: Vec<Option<&'a RetentionRule>>,
    /// The place of an image among those of a rule: by the rule, the order and the manifest.
    ranks: HashMap<(i64, Order, usize), usize>,
}

/// What is known of a tag or manifest when clauses are asked.
struct Facts {
    pushed_at: i64,
    pulled_at: Option<i64>,
    is_signed: bool,
}

impl<'a> Bench<'a> {
    fn new(graph: &'a RepositoryGraph, circumstances: &'a Circumstances<'a>) -> Self {
        let needs_pulls = circumstances.rules.iter().any(|rule| rule.needs_pull_times());
        let pulled = if needs_pulls { pull_times(graph) } else { vec![None; graph.manifests.len()] };
        let last = |tag| circumstances.rules.iter().rfind(|rule| rule.selects_tag(tag)).copied();
        let rules = graph.tags.iter().map(|node| last(&node.tag)).collect();
        let mut bench = Self { graph, circumstances, links: Links::of(graph), pulled, rules, ranks: HashMap::new() };
        for rule in &circumstances.rules {
            for clause in rule.keep.iter() {
                if let Keep::Newest { by, .. } = clause {
                    bench.rank(rule, *by);
                }
            }
        }
        bench
    }

    /// Ranks the images of a rule. One with several tags takes one place; tags that belong to other manifests take none.
    fn rank(&mut self, rule: &RetentionRule, by: Order) {
        let mut images: HashMap<usize, (Option<Version>, i64)> = HashMap::new();
        for (place, node) in self.graph.tags.iter().enumerate() {
            if self.rules[place].is_none_or(|own| own.id != rule.id) || self.links.subjects[place].is_some() {
                continue;
            }
            let version = if by == Order::Version { Version::of(node.tag.as_str()) } else { None };
            if by == Order::Version && version.is_none() {
                continue;
            }
            let best = images.entry(node.manifest).or_default();
            best.0 = best.0.take().max(version);
            best.1 = best.1.max(node.pushed_at);
        }
        let mut images: Vec<_> = images.into_iter().map(|(manifest, newest)| (newest, manifest)).collect();
        images.sort_unstable_by(|one, other| other.cmp(one));
        let ranked = images.into_iter().enumerate();
        self.ranks.extend(ranked.map(|(place, (_, manifest))| ((rule.id, by, manifest), place + 1)));
    }

    /// `None` for a tag that belongs to another manifest, unless it is kept for its own sake.
    fn at_first(&self, tag: usize) -> Option<Decision> {
        let (node, rule) = (&self.graph.tags[tag], self.rules[tag]);
        if self.graph.is_held || node.is_held {
            return Some(Decision::kept(rule, Reason::Held));
        }
        let immutable = self.circumstances.protection.rule(&node.tag).filter(|rule| !rule.expires);
        if let (Some(immutable), Some(_)) = (immutable, rule) {
            return Some(Decision::kept(rule, Reason::Immutable(immutable.id)));
        }
        self.links.subjects[tag].is_none().then(|| self.by_its_rule(tag))
    }

    fn by_its_rule(&self, tag: usize) -> Decision {
        let (node, Some(rule)) = (&self.graph.tags[tag], self.rules[tag]) else {
            return Decision::kept(None, Reason::NoRule);
        };
        let pulled_at = node.pulled_at.max(self.pulled[node.manifest]);
        let facts = Facts { pushed_at: node.pushed_at, pulled_at, is_signed: self.links.is_signed[node.manifest] };
        let kept_by = |clause: &Keep| match clause {
            Keep::Newest { .. } if node.pushed_at <= 0 => Some(Reason::PushTimeUnknown),
            Keep::Newest { count, by } => {
                let rank = *self.ranks.get(&(rule.id, *by, node.manifest))?;
                (rank <= count.get() as usize).then_some(Reason::Newest { rank, count: *count, by: *by })
            }
            Keep::Matching(pattern) => pattern.matches(&node.tag).then(|| Reason::Matching(pattern.clone())),
            clause => self.by_facts(clause, &facts),
        };
        let is_ranked = self.ranks.contains_key(&(rule.id, Order::Version, node.manifest));
        let only_ranks_versions = || rule.keep.iter().all(|c| matches!(c, Keep::Newest { by: Order::Version, .. }));
        match rule.keep.iter().find_map(kept_by) {
            None if !is_ranked && only_ranks_versions() && self.links.subjects[tag].is_none() => {
                Decision::kept(Some(rule), Reason::NotAVersion)
            }
            kept => self.unless_first_run(rule, kept),
        }
    }

    /// The clauses that ask the same of tags and of untagged manifests.
    fn by_facts(&self, clause: &Keep, facts: &Facts) -> Option<Reason> {
        let is_within = |time: i64, span: &TimeSpan| time >= self.circumstances.now.saturating_sub(span.seconds());
        match clause {
            Keep::Signed => facts.is_signed.then_some(Reason::Signed),
            Keep::PulledWithin(span) if facts.pulled_at.is_some_and(|at| is_within(at, span)) => {
                Some(Reason::PulledWithin(*span))
            }
            Keep::PushedWithin(_) | Keep::PulledWithin(_) if facts.pushed_at <= 0 => Some(Reason::PushTimeUnknown),
            // What was not pulled yet is not unused for that.
            Keep::PushedWithin(span) | Keep::PulledWithin(span) if is_within(facts.pushed_at, span) => {
                Some(Reason::PushedWithin(*span))
            }
            Keep::Newest { .. } | Keep::Matching(_) | Keep::PushedWithin(_) => None,
            Keep::PulledWithin(span) => {
                let is_unknown = self.circumstances.pulls_since.is_none_or(|since| is_within(since, span));
                is_unknown.then_some(Reason::PullsUnknown(*span))
            }
        }
    }

    fn unless_first_run(&self, rule: &RetentionRule, kept: Option<Reason>) -> Decision {
        match kept {
            Some(reason) => Decision::kept(Some(rule), reason),
            None if rule.is_rehearsed || self.circumstances.rehearses => Decision::removed(Some(rule), Reason::NotKept),
            None => Decision::kept(Some(rule), Reason::FirstRun),
        }
    }

    /// About a manifest without a tag, index or subject; `None` for others.
    fn untagged(&self, manifest: usize) -> Option<Decision> {
        if !self.links.is_untagged(self.graph, manifest) {
            return None;
        }
        let node = &self.graph.manifests[manifest];
        let selects = |rule: &&&RetentionRule| rule.selects == Selection::Untagged;
        let Some(rule) = self.circumstances.rules.iter().rfind(selects).copied() else {
            return Some(Decision::kept(None, Reason::NoRule));
        };
        if self.graph.is_held {
            return Some(Decision::kept(Some(rule), Reason::Held));
        }
        if node.is_in_trash {
            return Some(Decision::kept(Some(rule), Reason::InTrash));
        }
        let (pushed_at, pulled_at) = (node.pushed_at, self.pulled[manifest]);
        if pushed_at > self.circumstances.untagged_before {
            return Some(Decision::kept(Some(rule), Reason::JustPushed));
        }
        if pushed_at <= 0 {
            return Some(Decision::kept(Some(rule), Reason::PushTimeUnknown));
        }
        let facts = Facts { pushed_at, pulled_at, is_signed: self.links.is_signed[manifest] };
        Some(self.unless_first_run(rule, rule.keep.iter().find_map(|clause| self.by_facts(clause, &facts))))
    }
}

/// Spreads from what is kept to what that keeps.
struct Spread<'b> {
    bench: &'b Bench<'b>,
    tags: Vec<Option<Decision>>,
    untagged: Vec<Option<Decision>>,
    is_reached: Vec<bool>,
}

impl Spread<'_> {
    fn start_at_all_kept(&mut self) {
        for (place, node) in self.bench.graph.tags.iter().enumerate() {
            if self.tags[place].as_ref().is_some_and(|decision| decision.is_kept) {
                self.reach(node.manifest);
            }
        }
        for manifest in 0..self.untagged.len() {
            if self.untagged[manifest].as_ref().is_some_and(|decision| decision.is_kept) {
                self.reach(manifest);
            }
        }
    }

    /// Tags that belong to manifests which are not kept: one that has a life of its own may still be kept by its rule.
    fn decide_followers(&mut self) {
        for place in 0..self.tags.len() {
            if self.tags[place].is_none() && self.bench.links.subjects[place].is_some_and(|subject| !subject.by_name) {
                let decision = self.bench.by_its_rule(place);
                if decision.is_kept {
                    self.tags[place] = Some(decision);
                    self.reach(self.bench.graph.tags[place].manifest);
                }
            }
        }
    }

    fn reach(&mut self, manifest: usize) {
        let Bench { graph, links, .. } = self.bench;
        let mut waiting = vec![manifest];
        while let Some(manifest) = waiting.pop() {
            if std::mem::replace(&mut self.is_reached[manifest], true) {
                continue;
            }
            waiting.extend(&graph.manifests[manifest].children);
            waiting.extend(&links.referrers[manifest]);
            for &tag in &links.followers[manifest] {
                if self.tags[tag].is_none() {
                    self.tags[tag] = Some(Decision::kept(self.bench.rules[tag], Reason::WithSubject));
                }
                waiting.push(graph.tags[tag].manifest);
            }
            let subject = graph.manifests[manifest].subject;
            if let Some((subject, decision)) = subject.and_then(|at| Some((at, self.untagged[at].as_mut()?)))
                && !decision.is_kept
            {
                *decision = Decision { is_kept: true, rule: decision.rule, reason: Reason::WithReferrer };
                waiting.push(subject);
            }
        }
    }

    fn judgement(self) -> Judgement {
        let undecided = |tag: usize| match self.bench.links.subjects[tag] {
            Some(subject) if !subject.by_name => self.bench.by_its_rule(tag),
            _ => Decision::removed(self.bench.rules[tag], Reason::SubjectRemoved),
        };
        let tags = self.tags.into_iter().enumerate();
        let tags: Vec<_> = tags.map(|(tag, decision)| decision.unwrap_or_else(|| undecided(tag))).collect();
        let untagged = self.untagged.into_iter().enumerate();
        let untagged: Vec<_> = untagged.filter_map(|(manifest, decision)| Some((manifest, decision?))).collect();
        let lost = lost(self.bench.graph, &self.bench.links, &tags, &untagged);
        Judgement { tags, untagged, lost }
    }
}
