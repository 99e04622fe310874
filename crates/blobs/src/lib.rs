//! Customer bytes, addressed by digest, streamed.
