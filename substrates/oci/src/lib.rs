//! The embedded runtime: namespaces, cgroups, overlayfs, no daemon.
