//! The whole cloud in one thread on simulated time.
