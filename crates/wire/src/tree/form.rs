//! The query protocol's dotted names as a tree.

use super::Node;
use crate::params::{PARAMS_MAX, Params};
use crate::report::{Malformed, Report};

/// Parts of a dotted name at most; what lies deeper is left out.
const PARTS_MAX: usize = 32;

/// `Tags.member.1.Key=a` and the like as a tree.
pub(crate) fn from_params(params: &Params, report: &mut Report) -> Result<Node, Malformed> {
    let mut root = Node::default();
    if params.len() > PARAMS_MAX {
        return Err(report.malformed("the form has too many parameters"));
    }
    for (name, value) in params {
        if name.split('.').count() > PARTS_MAX {
            continue;
        }
        let mut node = &mut root;
        for part in name.split('.') {
            let nodes = node.children.entry(part.to_owned()).or_default();
            if nodes.is_empty() {
                if !report.takes_node() {
                    return Err(report.malformed("the form has too many parts"));
                }
                nodes.push(Node::default());
            }
            node = &mut nodes[0];
        }
        node.text.get_or_insert_with(|| value.clone());
    }
    Ok(root)
}
