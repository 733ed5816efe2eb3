//! Checking a catalog, and making it the current one.
//!
//! The rule that must hold: a catalog with any mistake changes nothing, and all its mistakes come in
//! one answer.

use crate::catalogs::{File, compile, texts};
use crate::generator::Generator;
use crate::model::catalog::Problem;
use crate::model::catalog::difference::{Difference, differences};
use crate::store::catalogs::{self, NewCatalog};
use crate::store::{from_json, to_json};
use provost_contract::Violations;
use provost_service_kit::{Engine, Fault};
use sea_orm::ConnectionTrait;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Most files of a catalog.
const FILES_MAX: usize = 100;
/// Most bytes in one file.
const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What became of a catalog.
pub(crate) struct Applied {
    pub(crate) is_applied: bool,
    pub(crate) revision: i64,
    pub(crate) problems: Vec<Problem>,
    pub(crate) declared: BTreeMap<String, usize>,
    /// What it declares otherwise than the catalog that was current.
    pub(crate) changes: Vec<Difference>,
    /// What is no mistake, and may not be meant.
    pub(crate) warnings: Vec<String>,
}

/// Checks a catalog, and applies it unless it is only to be checked. The same content again keeps
/// its revision.
///
/// # Errors
/// When there is no file, or a limit is broken. Mistakes in the files are in the answer.
pub(crate) async fn apply_catalog(
    generator: &Generator,
    files: Vec<File>,
    validate_only: bool,
    actor: &str,
) -> Result<Applied, Fault> {
    check_limits(&files)?;
    // Compiling is work for a processor, not for the runtime.
    let (files, compiled) = tokio::task::spawn_blocking(move || {
        let compiled = compile(&files);
        (files, compiled)
    })
    .await
    .map_err(Fault::internal)?;
    let current = catalogs::newest(generator.database.read()).await?;
    let current_revision = current.as_ref().map_or(0, |row| row.revision);
    let catalog = match compiled {
        Ok(catalog) => catalog,
        Err(problems) => {
            return Ok(Applied {
                is_applied: false,
                revision: current_revision,
                problems,
                declared: BTreeMap::new(),
                changes: vec![],
                warnings: vec![],
            });
        }
    };
    let before: Vec<File> = current.map(|row| from_json(&row.files)).transpose()?.unwrap_or_default();
    let changes = differences(&texts(&before), &texts(&files));
    let declared = catalog.declared();
    let warnings = catalog.warnings();
    let answer =
        |is_applied, revision| Applied { is_applied, revision, problems: Vec::new(), declared, changes, warnings };
    let text = to_json(&files)?;
    let digest: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    if validate_only {
        return Ok(answer(false, current_revision));
    }
    let transaction = generator.database.begin().await?;
    if generator.database.engine() == Engine::Postgres {
        // Two applies at once must not both find that theirs is new.
        transaction.execute_unprepared("SELECT pg_advisory_xact_lock(hashtext('provost catalog'))").await?;
    }
    if let Some(same) = catalogs::newest(&transaction).await?.filter(|row| row.digest == digest) {
        return Ok(answer(true, same.revision));
    }
    let new =
        NewCatalog { digest, files: text, applied_at: generator.clock.now().millis(), applied_by: actor.to_owned() };
    let revision = catalogs::insert(&transaction, new).await?;
    transaction.commit().await?;
    tracing::info!(revision, actor, "catalog applied");
    Ok(answer(true, revision))
}

pub(super) fn check_limits(files: &[File]) -> Result<(), Violations> {
    let mut wrong = Violations::default();
    if files.is_empty() {
        wrong.add("files", "must hold at least one file");
    }
    if files.len() > FILES_MAX {
        wrong.add("files", format!("hold more than {FILES_MAX} files"));
    }
    for (index, file) in files.iter().enumerate().take(FILES_MAX) {
        wrong.require_text(format_args!("files[{index}].name"), &file.name, provost_contract::NAME_MAX);
        if file.content.len() > FILE_BYTES_MAX {
            wrong.add(format!("files[{index}].content"), format!("is larger than {FILE_BYTES_MAX} bytes"));
        }
        if files.iter().take(index).any(|other| other.name == file.name) {
            wrong.add(format!("files[{index}].name"), format!("'{}' is the name of another file", file.name));
        }
    }
    wrong.into_result(())
}
