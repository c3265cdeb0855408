//! Which services are checked: begins, goes on and ends with what the configuration says.
//!
//! | a reload | the checks | what they have found |
//! |--|--|--|
//! | changes nothing they see | go on | stays |
//! | changes the endpoints, intervals or thresholds | begin anew | stays, for endpoints that stay |
//! | changes what is asked, or how the service is reached | begin anew | is forgotten |
//! | drops `health:`, or the service | end | is forgotten |

use crate::config::service::Service;
use crate::deployment::Deployment;
use crate::tls::client::ClientTls;
use crate::upstream::health::{self, Subject};
use crate::worker::Shared;
use portcullis_discovery::Feed;
use tokio::task::JoinHandle;

/// All checks that go on.
#[derive(Debug, Default)]
pub(super) struct Checks(Vec<Check>);

/// Checks of the endpoints of one service.
#[derive(Debug)]
struct Check {
    service: Service,
    tls: Option<ClientTls>,
    feed: Feed,
    task: JoinHandle<()>,
}

impl Check {
    /// Whether what was found answers the question that would be asked of this service.
    fn answers(&self, service: &Service, tls: Option<&ClientTls>) -> bool {
        let question =
            |service: &Service| service.health.as_ref().map(|rule| (rule.probe.clone(), rule.port));
        let reached = |service: &Service| (service.protocol, service.mesh.clone());
        self.service.name == service.name
            && question(&self.service) == question(service)
            && reached(&self.service) == reached(service)
            && self.tls.as_ref() == tls
    }

    /// Whether it may go on as it is.
    fn fits(&self, service: &Service, tls: Option<&ClientTls>) -> bool {
        self.answers(service, tls)
            && self.service.health == service.health
            && self.service.source == service.source
    }
}

impl Checks {
    /// Goes on checking endpoints of services that are the same, begins and ends the others.
    pub(super) fn keep(&mut self, deployment: &Deployment, shared: &Shared) {
        let mut before = std::mem::take(&mut self.0);
        let services = deployment.config.services.iter().zip(&deployment.client_tls).zip(&deployment.feeds);
        for ((service, tls), feed) in services {
            let Some(rule) = &service.health else { continue };
            let known = before.iter().position(|check| check.fits(service, tls.as_ref()));
            if let Some(known) = known {
                self.0.push(before.swap_remove(known));
                continue;
            }
            let subject = Subject {
                service: service.clone(),
                tls: tls.clone(),
                feed: feed.clone(),
                state: shared.book.of(&service.name),
                membership: shared.membership.clone(),
            };
            let task = tokio::task::spawn_local(health::keep(subject, rule.clone()));
            self.0.push(Check { service: service.clone(), tls: tls.clone(), feed: feed.clone(), task });
        }
        for over in before {
            over.task.abort();
            let next = self.0.iter().find(|next| over.answers(&next.service, next.tls.as_ref()));
            // What was found of the others says nothing any more.
            health::forget(&shared.book.of(&over.service.name), next.map(|next| &next.feed));
        }
    }
}
