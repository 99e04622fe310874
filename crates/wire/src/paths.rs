//! The REST protocols' paths: from method, path, query and headers to an operation.

use std::collections::BTreeMap;

use http::HeaderMap;

use crate::headers::has;
use crate::operation::{OperationSchema, ServiceSchema};
use crate::params::{Params, decode_segment};
use crate::schema::Location;

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
    labels: Vec<&'static str>,
    target: Target,
}

#[derive(Clone, Copy)]
enum Need {
    Query(&'static str, Option<&'static str>),
    Header(&'static str),
}

impl Need {
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
            // what is posted to almost any path is known by its query alone
            let names_it = service.host_label && http.method == "POST";
            let needs = if names_it { members.clone() } else { Vec::new() };
            paths.add((http.method, http.uri), needs, members, Target::Listed(operation));
        }
        for operation in service.unlisted {
            let target = Target::Unlisted(operation.name);
            paths.add((operation.method, operation.uri), Vec::new(), Vec::new(), target);
        }
        paths
    }

    fn add(
        &mut self,
        (method, uri): (&'static str, &'static str),
        mut needs: Vec<Need>,
        members: Vec<Need>,
        target: Target,
    ) {
        let (uri, headers) = uri.split_once('@').unwrap_or((uri, ""));
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let queries = query.split('&').filter(|need| !need.is_empty());
        let queries = queries.map(|need| match need.split_once('=') {
            Some((name, value)) => Need::Query(name, Some(value)),
            None => Need::Query(need, None),
        });
        let headers = headers.split('@').filter(|name| !name.is_empty()).map(Need::Header);
        needs.extend(queries.chain(headers));
        let mut end = End { method, needs, members, labels: Vec::new(), target };
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
    fn find<'a>(
        &'a self,
        rest: &[&str],
        beside: &Beside<'_>,
        held: &mut Vec<String>,
    ) -> Option<&'a End> {
        // A slash at the end says nothing, unless a greedy label takes it.
        let Some((first, after)) = rest.split_first().filter(|_| rest != [""]) else {
            return best(&self.ends, beside);
        };
        let literal = self.literals.get(*first);
        if let Some(end) = literal.and_then(|node| node.find(after, beside, held)) {
            return Some(end);
        }
        if let Some(node) = &self.label
            && !first.is_empty()
        {
            held.push(decode_segment(first));
            if let Some(end) = node.find(after, beside, held) {
                return Some(end);
            }
            held.pop();
        }
        let end = best(&self.greedy, beside)?;
        held.push(decode_segment(&rest.join("/")));
        Some(end)
    }
}

/// Of the ends that fit, the one that asks for most, those first that lack no member.
fn best<'a>(ends: &'a [End], beside: &Beside<'_>) -> Option<&'a End> {
    let fits = |end: &&End| {
        end.method == beside.method && end.needs.iter().all(|need| need.is_met(beside))
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
