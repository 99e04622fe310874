//! The driver of level-triggered controllers.
