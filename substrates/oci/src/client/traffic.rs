//! What goes over sandboxes' interfaces.

use haar_substrate::Transfer;

/// What went one way over an interface of the host.
pub(super) fn traffic(interface: &str, way: &str) -> Transfer {
    let read = |what: &str| {
        let path = format!("/sys/class/net/{interface}/statistics/{way}_{what}");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.trim().parse().unwrap_or_default()
    };
    Transfer {
        bytes: read("bytes"),
        count: read("packets"),
        error_count: read("errors"),
        dropped_count: read("dropped"),
    }
}
