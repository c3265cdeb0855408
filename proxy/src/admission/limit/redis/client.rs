//! Connections to Redis: one server, the primary that sentinels name, a cluster; with TLS or without.
//!
//! Questions of one thread share one connection per server: those asked at the same time are written together, and
//! answers come in order. A cluster's connection follows slots that move and replicas that take over by itself; the
//! others are replaced when they break ([`super::keeper`]).

use super::StoreError;
use crate::config::store::{self, Servers};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, FromRedisValue, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, TlsCertificates, TlsMode,
};
use std::time::Duration;

/// How long connecting may take, authentication included.
pub(super) const CONNECT: Duration = Duration::from_secs(1);
/// Questions that wait to be written before one has to wait for a place.
const QUEUE: usize = 1024;

/// A connection. Clones share it.
#[derive(Clone)]
pub(super) enum Link {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Link {
    /// Asks.
    pub(super) async fn query<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, RedisError> {
        let value = match self {
            Self::Server(connection) => connection.req_packed_command(command).await?,
            Self::Cluster(connection) => connection.req_packed_command(command).await?,
        };
        Ok(T::from_redis_value(value.extract_error()?)?)
    }

    /// Whether it mends itself.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }
}

/// How to connect.
pub(super) struct Connector {
    config: store::Redis,
    /// The authorities believed, PEM; `None` = those of the machine.
    authorities: Option<Vec<u8>>,
}

impl Connector {
    /// Reads the file of authorities, if there is one.
    pub(super) fn new(config: &store::Redis) -> Result<Self, StoreError> {
        let path = config.tls.as_ref().and_then(|tls| tls.ca.as_ref());
        let read = |path: &std::path::PathBuf| {
            std::fs::read(path)
                .map_err(|error| StoreError::Settings(format!("{}: {error}", path.display()).into()))
        };
        let connector = Self { config: config.clone(), authorities: path.map(read).transpose()? };
        let addresses = match &config.servers {
            Servers::Single(server) => std::slice::from_ref(server),
            Servers::Sentinel { sentinels: servers, .. } | Servers::Cluster(servers) => servers,
        };
        if addresses.is_empty() {
            return Err(StoreError::Settings("no server is named".into()));
        }
        addresses.iter().try_for_each(|server| connector.address(server).map(drop))?;
        Ok(connector)
    }

    /// Connects. The error comes with the words of the crate, for the log; secrets are not in them.
    pub(super) async fn connect(&self) -> Result<Link, (StoreError, String)> {
        let connecting = Box::pin(async {
            match &self.config.servers {
                Servers::Single(server) => self.server(server).await,
                Servers::Sentinel { sentinels, primary } => self.primary(sentinels, primary).await,
                Servers::Cluster(nodes) => self.cluster(nodes).await,
            }
        });
        match tokio::time::timeout(CONNECT, connecting).await {
            Ok(Ok(link)) => Ok(link),
            Ok(Err(error)) => {
                let words = error.to_string();
                Err((error.into(), words))
            }
            Err(_) => Err((StoreError::Timeout, format!("not connected after {CONNECT:?}"))),
        }
    }

    async fn server(&self, server: &str) -> Result<Link, RedisError> {
        let info = self.info(server)?.set_redis_settings(self.login());
        let client = match self.certificates() {
            Some(certificates) => Client::build_with_tls(info, certificates)?,
            None => Client::open(info)?,
        };
        Ok(Link::Server(client.get_multiplexed_async_connection_with_config(&Self::behaviour()).await?))
    }

    /// Asks all sentinels; who they name must say itself that it is a primary.
    async fn primary(&self, sentinels: &[Box<str>], primary: &str) -> Result<Link, RedisError> {
        let addresses =
            sentinels.iter().map(|server| self.address(server)).collect::<Result<Vec<_>, _>>().map_err(io)?;
        let config = &self.config;
        let mut builder = SentinelClientBuilder::new(addresses, primary, SentinelServerType::Master)?
            .set_client_to_redis_db(i64::from(config.database))
            .set_client_to_redis_tcp_settings(tcp())
            .set_client_to_sentinel_tcp_settings(tcp());
        if let Some(user) = &config.user {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = &config.password {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some(certificates) = self.certificates() {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_certificates(certificates);
        }
        let client = builder.build()?.async_get_client().await?;
        Ok(Link::Server(client.get_multiplexed_async_connection_with_config(&Self::behaviour()).await?))
    }

    async fn cluster(&self, nodes: &[Box<str>]) -> Result<Link, RedisError> {
        let infos = nodes.iter().map(|server| self.info(server)).collect::<Result<Vec<_>, _>>()?;
        // Redirections count as retries; waits between them stay within the time of a question.
        let mut builder = ClusterClientBuilder::new(infos)
            .retries(4)
            .min_retry_wait(1)
            .max_retry_wait(10)
            .connection_timeout(CONNECT)
            .response_timeout(CONNECT)
            .tcp_settings(tcp());
        if let Some(user) = &self.config.user {
            builder = builder.username(user);
        }
        if let Some(password) = &self.config.password {
            builder = builder.password(password);
        }
        if let Some(certificates) = self.certificates() {
            builder = builder.tls(TlsMode::Secure).certs(certificates);
        }
        Ok(Link::Cluster(builder.build()?.get_async_connection().await?))
    }

    /// No limit of its own on answers: each question brings one.
    fn behaviour() -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(QUEUE)
    }

    fn info(&self, server: &str) -> Result<ConnectionInfo, RedisError> {
        Ok(self.address(server).map_err(io)?.into_connection_info()?.set_tcp_settings(tcp()))
    }

    /// `host:port`, an IPv6 address in brackets.
    fn address(&self, server: &str) -> Result<ConnectionAddr, StoreError> {
        let parts = server.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let Some((host, port)) = parts.filter(|(host, _)| !host.is_empty()) else {
            return Err(StoreError::Settings(format!("`{server}` is no host and port").into()));
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(match &self.config.tls {
            Some(_) => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
            None => ConnectionAddr::Tcp(host, port),
        })
    }

    fn login(&self) -> RedisConnectionInfo {
        let config = &self.config;
        let mut login =
            RedisConnectionInfo::default().set_db(i64::from(config.database)).set_skip_set_lib_name();
        if let Some(user) = &config.user {
            login = login.set_username(user);
        }
        if let Some(password) = &config.password {
            login = login.set_password(password);
        }
        login
    }

    fn certificates(&self) -> Option<TlsCertificates> {
        self.config.tls.as_ref()?;
        Some(TlsCertificates { client_tls: None, root_cert: self.authorities.clone() })
    }
}

fn tcp() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

fn io(error: StoreError) -> RedisError {
    std::io::Error::new(std::io::ErrorKind::InvalidInput, error).into()
}
