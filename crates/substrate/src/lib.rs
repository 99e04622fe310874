//! The trait that runs things, and its words.
