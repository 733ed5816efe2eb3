//! Where memory comes from, in every program of the suite.
//!
//! Computing a role model makes and drops millions of short texts. The C library's allocator spent a quarter of the
//! processor time of that on joining and splitting free pieces, and gave little of it back afterwards.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
