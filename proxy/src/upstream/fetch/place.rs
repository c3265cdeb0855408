//! Where a service outside is, and what a request to it carries because of that. Pure.

use super::fault::FetchError;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::uri::Scheme;
use http::{HeaderValue, Method, Request, Uri};

/// How we call ourselves.
const AGENT: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"));

/// A place.
#[derive(Debug)]
pub(super) struct Place {
    /// Host name or address, without brackets.
    pub(super) host: Box<str>,
    /// Port.
    pub(super) port: u16,
    /// Whether it speaks TLS.
    pub(super) secure: bool,
    /// As `Host` has it.
    authority: HeaderValue,
    /// Path and query.
    target: Uri,
}

impl Place {
    /// Reads `url`: `http` or `https`, with a host. A name and password in it are left out.
    pub(super) fn of(url: &Uri) -> Result<Self, FetchError> {
        let unfit = || FetchError::Protocol("not an http or https URL".into());
        let secure = match url.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(unfit()),
        };
        let host = url.host().filter(|host| !host.is_empty()).ok_or_else(unfit)?;
        let authority = match url.port_u16() {
            Some(port) => HeaderValue::try_from(format!("{host}:{port}")),
            None => HeaderValue::from_str(host),
        };
        let target = url.path_and_query().map_or("/", |target| target.as_str());
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Ok(Self {
            host: bare.into(),
            port: url.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            secure,
            authority: authority.map_err(|_invalid| unfit())?,
            target: Uri::try_from(target).map_err(|_invalid| unfit())?,
        })
    }

    /// A question without a body.
    pub(super) fn get(&self, accept: &str) -> Result<Request<()>, FetchError> {
        self.request(Method::GET, accept)
    }

    /// A form that is sent by somebody who says who they are.
    pub(super) fn post_form(&self, authorization: &str) -> Result<Request<()>, FetchError> {
        let mut request = self.request(Method::POST, "application/json")?;
        let mut shown = value(authorization)?;
        shown.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, shown);
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, form);
        Ok(request)
    }

    fn request(&self, method: Method, accept: &str) -> Result<Request<()>, FetchError> {
        let mut request = Request::new(());
        *request.method_mut() = method;
        request.uri_mut().clone_from(&self.target);
        let headers = request.headers_mut();
        headers.insert(HOST, self.authority.clone());
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(ACCEPT, value(accept)?);
        Ok(request)
    }
}

fn value(text: &str) -> Result<HeaderValue, FetchError> {
    HeaderValue::from_str(text).map_err(|_invalid| FetchError::Protocol("not a header value".into()))
}

/// A URL as logs may have it: without name, password and query.
pub fn shown(url: &Uri) -> String {
    let port = url.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    let (scheme, host) = (url.scheme_str().unwrap_or_default(), url.host().unwrap_or_default());
    format!("{scheme}://{host}{port}{}", url.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &'static str) -> Place {
        Place::of(&Uri::from_static(url)).unwrap()
    }

    #[test]
    fn a_url_says_where_to_connect_and_what_to_ask_for() {
        let place = place("https://id.shop.example/keys?x=1");

        let request = place.get("application/json").unwrap();

        assert_eq!((&*place.host, place.port, place.secure), ("id.shop.example", 443, true));
        assert_eq!(request.uri(), "/keys?x=1");
        assert_eq!(request.headers()["host"], "id.shop.example");
        assert_eq!(request.headers()["user-agent"], AGENT);
    }

    #[test]
    fn a_port_and_brackets_stand_where_they_belong() {
        let place = place("http://[::1]:8080");

        let request = place.get("*/*").unwrap();

        assert_eq!((&*place.host, place.port, place.secure), ("::1", 8080, false));
        assert_eq!((request.uri().path(), &request.headers()["host"]), ("/", &"[::1]:8080".parse().unwrap()));
    }

    #[test]
    fn only_web_addresses_are_places() {
        for url in ["/keys", "ftp://id.shop.example/", "id.shop.example"] {
            assert_eq!(Place::of(&Uri::from_static(url)).unwrap_err().word(), "protocol", "{url}");
        }
    }

    #[test]
    fn a_secret_is_marked_as_one_and_must_fit_a_header() {
        let place = place("https://id.shop.example/introspect");

        let request = place.post_form("Basic eDp5").unwrap();

        assert!(request.headers()["authorization"].is_sensitive());
        assert!(place.post_form("Basic \r\nX: y").is_err());
    }

    #[test]
    fn logs_do_not_tell_what_stands_in_front_of_the_host_or_behind_the_path() {
        let url = Uri::from_static("https://me:secret@id.shop.example:8443/keys?token=secret");

        assert_eq!(shown(&url), "https://id.shop.example:8443/keys");
    }
}
