//! The REST protocols' paths: from method, path, query and headers to an operation.

use std::collections::BTreeMap;

use http::HeaderMap;

use crate::headers::has;
use crate::operation::{OperationSchema, ServiceSchema};
use crate::params::{Params, decode_segment};
use crate::schema::{Location, Member};

/// What a path leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// A listed operation.
    Listed(&'static OperationSchema),
    /// An operation of the model that is not listed.
    Unlisted(&'static str),
}

/// Labels of a path with what they held.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// What of a request, beside its path, tells operations apart.
pub(crate) struct Beside<'a> {
    pub(crate) method: &'a str,
    pub(crate) query: &'a Params,
    pub(crate) headers: &'a HeaderMap,
}

/// Names one version of what a path leads to, also where nobody must name one.
const VERSION: &str = "versionId";

/// All paths of one service.
#[derive(Default)]
pub(crate) struct Paths {
    root: Node,
}

#[derive(Default)]
struct Node {
    literals: BTreeMap<&'static str, Node>,
    label: Option<Box<Node>>,
    greedy: Vec<End>,
    ends: Vec<End>,
}

struct End {
    method: &'static str,
    /// What must be there.
    needs: Vec<Need>,
    /// Required members: where several operations fit, the one that lacks none is meant, such
    /// as `UploadPart` with its part number rather than `PutObject`.
    members: Vec<Need>,
    /// What it takes in the query.
    takes: Vec<&'static str>,
    /// What the query must not name: what other operations of its path are known by.
    foreign: Vec<Need>,
    /// The same of members that others must have, each with what must be there for it to count.
    foreign_members: Vec<(Vec<Need>, Need)>,
    labels: Vec<&'static str>,
    target: Target,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Query(&'static str, Option<&'static str>),
    Header(&'static str),
}

impl Need {
    /// What it looks for in the query.
    fn query(self) -> Option<&'static str> {
        match self {
            Self::Query(name, _) => Some(name),
            Self::Header(_) => None,
        }
    }

    fn is_met(self, by: &Beside<'_>) -> bool {
        match self {
            Self::Header(name) => has(by.headers, name),
            Self::Query(name, wanted) => by
                .query
                .iter()
                .any(|(key, value)| key == name && wanted.is_none_or(|wanted| wanted == value)),
        }
    }
}

impl End {
    fn new(
        method: &'static str,
        (needs, members, takes): (Vec<Need>, Vec<Need>, Vec<&'static str>),
        target: Target,
    ) -> Self {
        let (foreign, foreign_members, labels) = Default::default();
        Self { method, needs, members, takes, foreign, foreign_members, labels, target }
    }

    /// Whether the query names something of what the path leads to that this operation is not
    /// about, such as `?acl` for one that deletes a bucket.
    fn is_beside_the_point(&self, beside: &Beside<'_>) -> bool {
        let is_asked = |(needs, member): &(Vec<Need>, Need)| {
            member.is_met(beside) && needs.iter().all(|need| need.is_met(beside))
        };
        !beside.query.is_empty()
            && (self.foreign.iter().any(|need| need.is_met(beside))
                || self.foreign_members.iter().any(is_asked))
    }

    /// Learns what other operations of its path are known by.
    fn meet(&mut self, others: &[(Vec<Need>, Vec<Need>)], is_versioned: bool) {
        if !matches!(self.target, Target::Listed(_)) {
            return;
        }
        let own = self.needs.iter().chain(&self.members).filter_map(|need| need.query());
        let own: Vec<&str> = own.chain(self.takes.iter().copied()).collect();
        let is_others = |need: &Need| need.query().is_some_and(|name| !own.contains(&name));
        let version = is_versioned.then_some(Need::Query(VERSION, None));
        for need in others.iter().flat_map(|(needs, _)| needs).copied().chain(version) {
            if is_others(&need) && !self.foreign.contains(&need) {
                self.foreign.push(need);
            }
        }
        for (needs, members) in others {
            let members = members.iter().filter(|member| is_others(member));
            self.foreign_members.extend(members.map(|member| (needs.clone(), *member)));
        }
    }
}

impl Paths {
    /// The paths of a service, listed or not.
    pub(crate) fn of(service: &'static ServiceSchema) -> Self {
        let mut paths = Self::default();
        for operation in service.operations {
            let http = operation.http;
            let required = operation.input.members().iter().filter(|member| member.required);
            let members = required.filter_map(|member| match member.location {
                Location::Query => Some(Need::Query(member.wire, None)),
                Location::Header => Some(Need::Header(member.wire)),
                _ => None,
            });
            let members: Vec<Need> = members.collect();
            let of_query = |member: &&Member| member.location == Location::Query;
            let takes = operation.input.members().iter().filter(of_query);
            let takes = takes.map(|member| member.wire).collect();
            // what is posted to almost any path is known by its query alone
            let names_it = service.host_label && http.method == "POST";
            let needs = if names_it { members.clone() } else { Vec::new() };
            let end = End::new(http.method, (needs, members, takes), Target::Listed(operation));
            paths.add(http.uri, end);
        }
        for operation in service.unlisted {
            let target = Target::Unlisted(operation.name);
            paths.add(operation.uri, End::new(operation.method, Default::default(), target));
        }
        if service.host_label {
            // S3's operations of one path are told apart by the query alone: one that does not
            // take what the query names is not meant
            paths.root.introduce();
        }
        paths
    }

    fn add(&mut self, uri: &'static str, mut end: End) {
        let (uri, headers) = uri.split_once('@').unwrap_or((uri, ""));
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let queries = query.split('&').filter(|need| !need.is_empty());
        let queries = queries.map(|need| match need.split_once('=') {
            Some((name, value)) => Need::Query(name, Some(value)),
            None => Need::Query(need, None),
        });
        let headers = headers.split('@').filter(|name| !name.is_empty()).map(Need::Header);
        end.needs.extend(queries.chain(headers));
        let mut node = &mut self.root;
        for segment in segments(path).filter(|segment| !segment.is_empty()) {
            let label = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            match label {
                None => node = node.literals.entry(segment).or_default(),
                Some(label) => match label.strip_suffix('+') {
                    Some(label) => {
                        end.labels.push(label);
                        node.greedy.push(end);
                        return;
                    }
                    None => {
                        end.labels.push(label);
                        node = node.label.get_or_insert_default();
                    }
                },
            }
        }
        node.ends.push(end);
    }

    /// The operation that a request's path means, with its labels.
    pub(crate) fn find(&self, path: &str, beside: &Beside<'_>) -> Option<(Target, Labels)> {
        let segments: Vec<&str> = segments(path).collect();
        let mut held = Vec::new();
        let end = self.root.find(&segments, beside, &mut held)?;
        let labels = end.labels.iter().copied().zip(held).collect();
        Some((end.target, labels))
    }
}

impl Node {
    /// Has all operations of each path learn of the others.
    fn introduce(&mut self) {
        for ends in [&mut self.greedy, &mut self.ends] {
            let others: Vec<_> =
                ends.iter().map(|end| (end.needs.clone(), end.members.clone())).collect();
            let is_versioned = ends.iter().any(|end| end.takes.contains(&VERSION));
            ends.iter_mut().for_each(|end| end.meet(&others, is_versioned));
        }
        self.literals.values_mut().chain(self.label.as_deref_mut()).for_each(Self::introduce);
    }

    fn find<'a>(
        &'a self,
        rest: &[&str],
        sought: &Beside<'_>,
        held: &mut Vec<String>,
    ) -> Option<&'a End> {
        // A slash at the end says nothing, unless a greedy label takes it.
        let Some((first, after)) = rest.split_first().filter(|_| rest != [""]) else {
            return best(&self.ends, sought);
        };
        let literal = self.literals.get(*first);
        if let Some(end) = literal.and_then(|node| node.find(after, sought, held)) {
            return Some(end);
        }
        if let Some(node) = &self.label
            && !first.is_empty()
        {
            held.push(decode_segment(first)?);
            if let Some(end) = node.find(after, sought, held) {
                return Some(end);
            }
            held.pop();
        }
        let end = best(&self.greedy, sought)?;
        held.push(decode_segment(&rest.join("/"))?);
        Some(end)
    }
}

/// Of the ends that fit, the one that asks for most, those first that lack no member.
fn best<'a>(ends: &'a [End], beside: &Beside<'_>) -> Option<&'a End> {
    let fits = |end: &&End| {
        end.method == beside.method
            && end.needs.iter().all(|need| need.is_met(beside))
            && !end.is_beside_the_point(beside)
    };
    let rank = |end: &&End| {
        let is_whole = end.members.iter().all(|member| member.is_met(beside));
        let asked = end.needs.len() + if is_whole { end.members.len() } else { 0 };
        // Some models have two operations of one path: the one that is not listed is the old one.
        (is_whole, asked, matches!(end.target, Target::Listed(_)))
    };
    ends.iter().filter(fits).max_by_key(rank)
}

/// A path's segments; the last is empty behind a slash.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}
