//! IAM evaluation: statements and request context in, decision with its reason out.
