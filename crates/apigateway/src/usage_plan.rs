//! Usage plans.

use cauce_wire::Api;

use crate::service::ApiGateway;

/// How many usage plans a key may belong to. AWS: 10.
pub const PLANS_PER_KEY_MAX: usize = 10;

pub(crate) fn operations(api: Api<ApiGateway>) -> Api<ApiGateway> {
    api
}
