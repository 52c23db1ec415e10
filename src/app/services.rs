//! Which session serves which port.

use std::collections::BTreeSet;

use crate::auth::Auth;
use crate::clock::Clock;
use crate::config::Settings;
use crate::net::ca::Subject;
use crate::net::listener::Service;
use crate::store::Store;

/// Every service that has an address.
pub(super) fn services(
    _settings: &Settings,
    _store: &Store,
    _auth: &Auth,
    _clock: &Clock,
) -> Vec<Service> {
    Vec::new()
}

/// Whom the self-made certificate names.
pub(super) fn subject(settings: &Settings) -> Subject {
    let hostname = settings.hostname.as_str().to_owned();
    let label = hostname.split('.').next().unwrap_or(&hostname);
    let mut names = BTreeSet::from([format!("{label}.local"), "localhost".to_owned()]);
    names.extend(
        settings
            .domains
            .iter()
            .map(|domain| domain.as_str().to_owned()),
    );
    Subject {
        hostname,
        names,
        addresses: super::upkeep::addresses(&settings.listen),
    }
}
