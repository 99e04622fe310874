//! Figures as ratios: haar against a peer or a limit, in one run.
