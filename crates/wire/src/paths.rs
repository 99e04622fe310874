//! The REST protocols' paths: from method, path and query to an operation.

use std::collections::BTreeMap;

use crate::operation::{OperationSchema, ServiceSchema};
use crate::params::{Params, decode_segment};

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
    /// Parameters that must be there, with their value where the model gives one.
    needs: Vec<(&'static str, Option<&'static str>)>,
    labels: Vec<&'static str>,
    target: Target,
}

impl Paths {
    /// The paths of a service, listed or not.
    pub(crate) fn of(service: &'static ServiceSchema) -> Self {
        let mut paths = Self::default();
        for operation in service.operations {
            let http = operation.http;
            paths.add(http.method, http.uri, Target::Listed(operation));
        }
        for operation in service.unlisted {
            paths.add(operation.method, operation.uri, Target::Unlisted(operation.name));
        }
        paths
    }

    fn add(&mut self, method: &'static str, uri: &'static str, target: Target) {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let needs = query.split('&').filter(|need| !need.is_empty());
        let needs = needs.map(|need| match need.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (need, None),
        });
        let mut end = End { method, needs: needs.collect(), labels: Vec::new(), target };
        let mut node = &mut self.root;
        for segment in segments(path) {
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
    pub(crate) fn find(
        &self,
        method: &str,
        path: &str,
        query: &Params,
    ) -> Option<(Target, Labels)> {
        let segments: Vec<&str> = segments(path).collect();
        let mut held = Vec::new();
        let end = self.root.find(method, &segments, query, &mut held)?;
        let labels = end.labels.iter().copied().zip(held).collect();
        Some((end.target, labels))
    }
}

impl Node {
    fn find<'a>(
        &'a self,
        method: &str,
        rest: &[&str],
        query: &Params,
        held: &mut Vec<String>,
    ) -> Option<&'a End> {
        let Some((first, after)) = rest.split_first() else {
            return best(&self.ends, method, query);
        };
        let literal = self.literals.get(*first);
        if let Some(end) = literal.and_then(|node| node.find(method, after, query, held)) {
            return Some(end);
        }
        if let Some(node) = &self.label
            && !first.is_empty()
        {
            held.push(decode_segment(first));
            if let Some(end) = node.find(method, after, query, held) {
                return Some(end);
            }
            held.pop();
        }
        let end = best(&self.greedy, method, query)?;
        held.push(decode_segment(&rest.join("/")));
        Some(end)
    }
}

/// Of the ends that fit, the one that asks for most.
fn best<'a>(ends: &'a [End], method: &str, query: &Params) -> Option<&'a End> {
    let fits = |end: &&End| {
        let has = |(name, wanted): &(&str, Option<&str>)| {
            query.iter().any(|(key, value)| key == name && wanted.is_none_or(|w| w == value))
        };
        end.method == method && end.needs.iter().all(has)
    };
    ends.iter().filter(fits).max_by_key(|end| end.needs.len())
}

/// A path's segments; a slash at its end says nothing.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    path.split('/')
}
