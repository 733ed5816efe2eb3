//! Compiles the contract in `proto/` without protoc, and keeps the descriptors for reflection.

use std::{env, error::Error, fs, path::PathBuf};

const FILES: [&str; 18] = [
    "provost/types/v1/value.proto",
    "provost/types/v1/state.proto",
    "provost/types/v1/order.proto",
    "provost/types/v1/assignment.proto",
    "provost/fulfillment/v1/order_service.proto",
    "provost/fulfillment/v1/dispatch_service.proto",
    "provost/fulfillment/v1/connection_service.proto",
    "provost/fulfillment/v1/manual_provisioning_service.proto",
    "provost/review/v1/review_service.proto",
    "provost/generator/v1/catalog_service.proto",
    "provost/generator/v1/repository_service.proto",
    "provost/generator/v1/assignment_service.proto",
    "provost/generator/v1/reconciliation_service.proto",
    "provost/generator/v1/order_generator_service.proto",
    "provost/generator/v1/explain_service.proto",
    "provost/generator/v1/synchronization_service.proto",
    "provost/generator/v1/job_service.proto",
    "provost/agent/v1/agent_service.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());
    let descriptors = protox::compile(FILES, [&root])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("provost_descriptor.bin"), prost::Message::encode_to_vec(&descriptors))?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
