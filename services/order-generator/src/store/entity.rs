//! The rows, as sea-orm sees them. Instants are milliseconds since the epoch.

#![allow(unreachable_pub, reason = "the derives write `pub`; the module itself is not")]

/// Catalogs that were applied, with their files as JSON.
pub mod catalog {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "catalogs")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub revision: i64,
        pub digest: String,
        pub files: String,
        pub applied_at: i64,
        pub applied_by: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The repository: one row per resource.
pub mod resource {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "resources")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub entity_type: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub key: String,
        pub properties: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The resources that no synchronization read: the newest order that wrote each.
pub mod virtual_resource {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "virtual_resources")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub entity_type: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub key: String,
        pub lane: String,
        pub order_id: String,
        pub sequence: i64,
        pub gone: bool,
        pub written_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The last applied export of each entity type. Exports are complete, so one row holds for all resources.
pub mod reading {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "readings")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub entity_type: String,
        pub connector: String,
        pub export_started_at: i64,
        pub synchronization_id: String,
        pub resources: i64,
        /// What was read: the kind of each property, as JSON. Empty in rows that are older than the column.
        pub properties: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Export tasks, and the synchronizations that they become.
pub mod synchronization {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "synchronizations")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub sequence: i64,
        pub id: String,
        pub connector: String,
        pub connection: String,
        pub state: String,
        pub agent_id: String,
        pub lease_until: Option<i64>,
        pub offered_at: Option<i64>,
        pub created_at: i64,
        pub started_at: Option<i64>,
        pub ended_at: Option<i64>,
        pub rows_read: i64,
        pub breaks: i32,
        pub was_read: bool,
        pub counts: String,
        pub message: String,
        /// What broke thresholds when it was held back, as JSON.
        pub excess: String,
        /// Who let that pass; empty when nobody did.
        pub passed_by: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What the last computation found of each owner.
pub mod owner {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "owners")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub entity_type: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub key: String,
        pub body: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What the last computation found of each owner and resource type.
pub mod assignment {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "assignments")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub owner_type: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub owner_key: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub resource_type: String,
        /// In rows that are older than `content`; else empty.
        pub body: String,
        pub content: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The projection of the ledger: each order's record as the feed last showed it.
pub mod order {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "orders")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub order_id: String,
        pub sequence: i64,
        pub lane: String,
        pub resource_type: String,
        pub connection: String,
        pub owner_type: String,
        pub owner_key: String,
        pub generation_run: String,
        pub state: i32,
        pub inactive_reason: i32,
        pub version: i64,
        pub record: Vec<u8>,
        /// Empty, or none, in rows that are older than the columns.
        pub entity_type: String,
        pub generated_at: Option<i64>,
        pub executed_at: Option<i64>,
        /// The cursor of the feed at which the row was last written.
        pub changed: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Orders with sensitive values, as they were submitted: the feed tells of them without the values.
pub mod sensitive_order {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "sensitive_orders")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub order_id: String,
        pub content: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Computations of the role model.
pub mod computation {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "computations")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub sequence: i64,
        pub catalog_revision: i64,
        pub started_at: i64,
        pub ended_at: i64,
        pub summary: String,
        /// The cursor of the order feed up to which it saw; none in rows that are older than the column.
        pub orders_until: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Generations of orders, each kept with its options: who waived or forced what.
pub mod generation {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "generations")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub at: i64,
        pub actor: String,
        pub options: String,
        pub summary: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Runs of jobs.
pub mod job_run {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "job_runs")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub sequence: i64,
        pub id: String,
        pub job: String,
        pub request_id: String,
        pub active: Option<String>,
        pub state: String,
        pub force_review: bool,
        pub waive_review: bool,
        pub force_thresholds: bool,
        pub is_cancelled: bool,
        pub started_by: String,
        pub started_at: i64,
        pub ended_at: Option<i64>,
        pub generation_run: String,
        pub message: String,
        pub comments: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Tasks of runs.
pub mod job_task_run {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "job_task_runs")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub run_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub position: i32,
        pub name: String,
        pub kind: String,
        pub level: i32,
        pub state: String,
        pub done: i64,
        pub total: i64,
        pub message: String,
        pub started_at: Option<i64>,
        pub ended_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Who may do what only one replica does at a time.
pub mod lease {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "leases")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub holder: String,
        pub until: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Requests for assignments: what lists and the evaluation look for, beside the whole as JSON.
pub mod request {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "requests")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub sequence: i64,
        pub id: String,
        pub owner_type: String,
        pub owner_key: String,
        pub kind: i32,
        pub name: String,
        pub requested_by: String,
        pub state: i32,
        pub since: i64,
        pub until: Option<i64>,
        pub open_for: Option<String>,
        pub body: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What review must still be told of requests: one line per request.
pub mod request_outbox {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "request_outbox")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub request_id: String,
        pub action: i32,
        pub reason: String,
        pub tries: i32,
        pub due_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What was found, and waits for a person.
pub mod found_item {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "found_items")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub item_id: String,
        pub position: String,
        pub kind: i32,
        pub owner_type: String,
        pub owner_key: String,
        pub resource_type: String,
        pub entity_type: String,
        pub target_key: String,
        pub property: String,
        pub workflow_state: i32,
        pub body: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What people decided on what was found; never changed but for whether it stands.
pub mod decision {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "decisions")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub sequence: i64,
        pub id: String,
        pub item_id: String,
        pub is_standing: bool,
        pub kind: i32,
        pub owner_type: String,
        pub owner_key: String,
        pub resource_type: String,
        pub property: String,
        pub verdict: String,
        pub actor: String,
        pub at: i64,
        pub body: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What synchronization, and others, changed since the last computation of the role model.
pub mod change {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "changes")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub sequence: i64,
        pub kind: i32,
        pub entity_type: String,
        pub key: String,
        pub before: Option<i64>,
        /// The properties that differ, as JSON.
        pub properties: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What the last result of each owner was computed from.
pub mod dependency {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "dependencies")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub owner_type: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub owner_key: String,
        pub claims: Vec<u8>,
        pub needs: Vec<u8>,
        pub next_change: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The same from the other side: whose result was computed from a thing.
pub mod dependent {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "dependents")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub need: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub owner_type: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub owner_key: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// By what resources are found, other than by their keys.
pub mod text {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "texts")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub need: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub entity_type: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub key: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What the newest generation held back, as it would have been done.
pub mod held_order {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "held_orders")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub run: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub position: i64,
        pub action: i32,
        pub resource_type: String,
        pub owner_key: String,
        pub planned: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A resource that a blocked synchronization would have changed.
pub mod held_resource {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "held_resources")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub synchronization_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub position: i64,
        /// The job run that asked for the synchronization; empty when none did.
        pub job_run_id: String,
        pub connection: String,
        pub entity_type: String,
        pub change: String,
        pub key: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The secret that fingerprints of plans are made with: one row.
pub mod plan_key {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "plan_keys")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub secret: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// For whom, and because of what, orders have to be generated anew.
pub mod ungenerated {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "ungenerated")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub kind: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub entity_type: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub key: String,
        /// The computation that noted it last.
        pub stamp: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// How many resources of each type are there and somebody's.
pub mod linked_count {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "linked_counts")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub resource_type: String,
        pub linked: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
