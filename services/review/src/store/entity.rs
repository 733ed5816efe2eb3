//! The rows, as sea-orm sees them. Instants are milliseconds since the epoch.

#![allow(unreachable_pub, reason = "the derives write `pub`; the module itself is not")]

/// Reviews, with what they are about as it was delivered.
pub mod review {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "reviews")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub sequence: i64,
        pub id: Uuid,
        pub state: i32,
        pub resource_type: String,
        pub owner_key: String,
        pub payload: Vec<u8>,
        pub version: i64,
        pub requested_by: String,
        pub created_at: i64,
        pub updated_at: i64,
        pub subject_kind: i32,
        pub role: String,
        pub approvals_required: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Decisions; the feed of decisions reads them by cursor.
pub mod decision {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "decisions")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub cursor: i64,
        pub review_id: Uuid,
        pub order_id: String,
        pub verdict: i32,
        pub actor: String,
        pub comment: String,
        pub at: i64,
        pub subject_kind: i32,
        pub step: i32,
        pub is_complete: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
