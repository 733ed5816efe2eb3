//! The secret that fingerprints of plans are made with. Without it, whoever holds a plan could find out a
//! confidential value by trying: there are not many PINs.

use super::entity::plan_key::{ActiveModel, Column, Entity};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait};

/// The only row.
const ID: i32 = 1;

/// The secret; `new` becomes it when there is none yet.
pub(crate) async fn secret(connection: &impl ConnectionTrait, new: String) -> Result<String, DbErr> {
    if let Some(row) = Entity::find_by_id(ID).one(connection).await? {
        return Ok(row.secret);
    }
    let row = ActiveModel { id: Set(ID), secret: Set(new.clone()) };
    let unless_there = OnConflict::column(Column::Id).do_nothing().to_owned();
    Entity::insert(row).on_conflict(unless_there).exec_without_returning(connection).await?;
    Ok(Entity::find_by_id(ID).one(connection).await?.map_or(new, |row| row.secret))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::Migrator;
    use provost_service_kit::Database;

    #[tokio::test]
    async fn the_first_secret_stays() {
        for engine in provost_testkit::engines().await {
            let database = Database::connect(&engine.url.as_str().into(), None).await.unwrap();
            database.migrate::<Migrator>().await.unwrap();
            for new in ["first", "second"] {
                assert_eq!(secret(database.write(), new.into()).await.unwrap(), "first", "{}", engine.name);
            }
        }
    }
}
