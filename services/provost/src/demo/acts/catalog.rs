//! The catalog is applied.

use crate::client::Service;
use crate::demo::narrator::holds;
use crate::demo::story::Story;
use crate::failure::Failure;
use provost_contract::generator::v1::{ApplyCatalogRequest, CatalogFile};
use provost_sample::workplace;
use std::path::Path;

pub(super) async fn play(story: &mut Story, data_dir: &Path) -> Result<(), Failure> {
    story.narrator.act("The catalog", "YAML says which systems there are, and who shall have what, by rule.")?;
    let folder = data_dir.join("catalog");
    story.narrator.command(&format!("catalog apply {}", folder.display()))?;
    let files = workplace::CATALOG
        .iter()
        .map(|(name, text)| CatalogFile { name: folder.join(name).display().to_string(), content: (*text).to_owned() })
        .collect();
    let request = story.clients.request(ApplyCatalogRequest { files, validate_only: false });
    let answer = story.clients.catalog().apply_catalog(request).await;
    let response = story.clients.answer(Service::OrderGenerator, answer)?;
    let mistakes: Vec<String> = response
        .problems
        .iter()
        .map(|problem| format!("{}:{}:{}: {}", problem.file, problem.line, problem.column, problem.message))
        .chain(holds(response.applied, || "it was not applied".to_owned()))
        .collect();
    story.narrator.check(&format!("revision {} is the current catalog", response.revision), mistakes)?;
    let count = |(thing, count): (&String, &i32)| crate::show::counted(i64::from(*count), thing);
    let mut declared: Vec<_> = response.declared.iter().map(count).collect();
    declared.sort_by_key(|text| text.split_once(' ').map(|(_, thing)| thing.to_owned()));
    Ok(story.narrator.event(&declared.join(", "))?)
}
