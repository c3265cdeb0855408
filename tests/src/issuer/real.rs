//! What others make: an OpenID provider from npm, tokens of PyJWT, a browser.

use crate::redis::free_port;
use crate::{Client, wait};
use serde_json::Value;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Where `tests/run` has put something.
fn brought(variable: &str) -> PathBuf {
    let place = std::env::var_os(variable);
    place
        .unwrap_or_else(|| panic!("{variable} is not set: use tests/run, which brings what tests need"))
        .into()
}

/// `oauth2-mock-server`, an issuer with RSA keys of its own.
#[derive(Debug)]
pub struct MockServer {
    child: Child,
    issuer: SocketAddr,
    control: SocketAddr,
}

impl MockServer {
    /// Starts one.
    ///
    /// # Panics
    /// When Node or the package is missing.
    pub fn start() -> Self {
        let [issuer, control] = [(); 2].map(|()| SocketAddr::from(([127, 0, 0, 1], free_port())));
        let child = Command::new("node")
            .args(["-e", SCRIPT, &issuer.port().to_string(), &control.port().to_string()])
            .current_dir(brought("PORTCULLIS_NPM"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("node runs (Debian package nodejs)");
        let server = Self { child, issuer, control };
        for address in [issuer, control] {
            wait::eventually("the issuer to listen", || TcpStream::connect(address).ok());
        }
        server
    }

    /// `jwt: { … }` of a configuration.
    pub fn jwt(&self) -> String {
        let name = format!("http://{}", self.issuer);
        format!(
            "jwt: {{ issuer: \"{name}\", audience: shop-api, jwks: \"{name}/jwks\", algorithms: [RS256] }}"
        )
    }

    /// A token, by the newest key.
    pub fn token(&self) -> String {
        Client::get("/token").host("localhost").send(self.control).text()
    }

    /// Makes another key, which signs from now on.
    pub fn rotate(&self) {
        assert_eq!(Client::get("/rotate").host("localhost").send(self.control).status, 200);
    }
}

/// An issuer on the first port; on the second, whoever asks gets a token, after `/rotate` by a new key.
const SCRIPT: &str = "
const { OAuth2Server } = require('oauth2-mock-server');
const http = require('http');
const [issuer, control] = process.argv.slice(1).map(Number);
(async () => {
  const server = new OAuth2Server();
  let kid = (await server.issuer.keys.generate('RS256')).kid;
  await server.start(issuer, '127.0.0.1');
  server.issuer.url = `http://127.0.0.1:${issuer}`;
  http.createServer(async (request, response) => {
    if (request.url === '/rotate') kid = (await server.issuer.keys.generate('RS256')).kid;
    const shape = (header, payload) => {
      Object.assign(payload, { aud: 'shop-api', sub: 'alice', scope: 'orders:read', roles: ['buyer'] });
    };
    const token = await server.issuer.buildToken({ kid, scopesOrTransform: shape });
    response.setHeader('content-length', token.length);
    response.end(token);
  }).listen(control, '127.0.0.1');
})();
";

impl Drop for MockServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// PyJWT: tokens made by somebody else's code.
#[derive(Debug)]
pub struct PyJwt;

impl PyJwt {
    /// Public keys as a JWKS, and for each algorithm a token with `claims`.
    ///
    /// # Panics
    /// When Python or the package is missing.
    pub fn tokens(claims: &Value) -> (Value, Vec<(String, String)>) {
        let mut child = Command::new(brought("PORTCULLIS_PYJWT"))
            .args(["-c", PYTHON])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python runs");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(claims.to_string().as_bytes()).expect("written");
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "PyJWT failed");
        let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let tokens = answer["tokens"].as_object().expect("tokens");
        let text = |value: &Value| value.as_str().expect("a token").to_owned();
        (answer["keys"].clone(), tokens.iter().map(|(name, value)| (name.clone(), text(value))).collect())
    }
}

/// Claims on standard input; keys and tokens on standard output.
const PYTHON: &str = "
import json, sys, jwt
from jwt.algorithms import RSAAlgorithm, ECAlgorithm, OKPAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa, ec, ed25519
claims = json.load(sys.stdin)
rsa_key = rsa.generate_private_key(65537, 2048)
made = {
    'RS256': (rsa_key, RSAAlgorithm), 'RS512': (rsa_key, RSAAlgorithm), 'PS256': (rsa_key, RSAAlgorithm),
    'ES256': (ec.generate_private_key(ec.SECP256R1()), ECAlgorithm),
    'ES384': (ec.generate_private_key(ec.SECP384R1()), ECAlgorithm),
    'EdDSA': (ed25519.Ed25519PrivateKey.generate(), OKPAlgorithm),
}
keys, tokens = [], {}
for name, (key, kind) in made.items():
    public = json.loads(kind.to_jwk(key.public_key()))
    public.update(kid=name, use='sig', alg=name)
    keys.append(public)
    tokens[name] = jwt.encode(claims, key, algorithm=name, headers={'kid': name})
tokens['none'] = jwt.encode(claims, None, algorithm='none')
tokens['HS256'] = jwt.encode(claims, keys[0]['n'].encode(), algorithm='HS256', headers={'kid': 'RS256'})
json.dump({'keys': {'keys': keys}, 'tokens': tokens}, sys.stdout)
";

/// A browser without a window.
#[derive(Debug)]
pub struct Browser;

impl Browser {
    /// Opens a page and gives it ten seconds; its text when its scripts have run.
    ///
    /// # Panics
    /// When there is no Chromium.
    pub fn text_of(url: &str) -> String {
        let profile = tempfile::tempdir().expect("a folder");
        let output = Command::new("chromium")
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
            ])
            .args(["--virtual-time-budget=10000", "--dump-dom"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(url)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .expect("chromium runs (Debian package chromium)");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
