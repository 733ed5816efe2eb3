//! The acts, one file each, in the order of the story.

mod automated;
mod catalog;
mod error;
mod errored;
mod finale;
mod inactive;
mod manual;
mod permissions;
mod reviewed;

use super::story::Story;
use crate::failure::Failure;
use std::net::SocketAddr;
use std::path::Path;

/// The resource types of the sample catalog.
const ACCOUNT: &str = "AppAccount";
const VAULT: &str = "VaultAccount";
const BADGE: &str = "Badge";

/// Plays all acts.
///
/// # Errors
/// When an act cannot go on. A check that fails does not stop the story.
pub(super) async fn play(story: &mut Story, data_dir: &Path, address: SocketAddr) -> Result<(), Failure> {
    catalog::play(story, data_dir).await?;
    automated::play(story).await?;
    let decided = reviewed::play(story).await?;
    let worked = manual::play(story).await?;
    errored::play(story).await?;
    error::play(story).await?;
    inactive::play(story).await?;
    finale::play(story, &decided, &worked).await?;
    permissions::play(story, data_dir, address).await
}
