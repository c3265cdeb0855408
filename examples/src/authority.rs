//! The certificate authority of the demo's mesh, run with the commands anybody would type: `portcullis ca …`.

use crate::folder::Folder;
use crate::ports::{AUTHORITY, MEMBERS, Ports};
use crate::process;
use anyhow::ensure;

/// How long certificates of the mesh live here: as short as the authority allows, so that a whole root rotation can be
/// watched.
const LIFE: &str = "1m";

/// Makes the authority, and an entry and a join token for each member.
pub async fn init(ports: &Ports, folder: &Folder) -> anyhow::Result<()> {
    let url = format!("https://127.0.0.1:{}", ports.of(AUTHORITY));
    run(folder, &["init", "shop.example", "--url", &url, "--ttl", LIFE]).await?;
    // The edge alone may introduce users.
    token(folder, "edge", &["edge", "--grant", "assert"]).await?;
    for member in &MEMBERS {
        token(folder, member.name, &[&format!("svc/{}", member.name)]).await?;
    }
    Ok(())
}

/// What the server is started with.
pub fn serve(ports: &Ports, folder: &Folder) -> Vec<String> {
    let bind = format!("127.0.0.1:{}", ports.of(AUTHORITY));
    let words = ["portcullis", "ca", "serve", "--dir", &folder.text("ca"), "--bind", &bind];
    words.map(str::to_owned).to_vec()
}

/// Creates an entry and writes its join token to a file, where the member finds it.
async fn token(folder: &Folder, name: &str, entry: &[&str]) -> anyhow::Result<()> {
    let words = [&["entry", "create", "--token"], entry].concat();
    let token = run(folder, &words).await?;
    folder.write(&format!("tokens/{name}"), &token)
}

async fn run(folder: &Folder, words: &[&str]) -> anyhow::Result<String> {
    let dir = folder.text("ca");
    let all = [&["portcullis", "ca", "--dir", &dir], words].concat();
    let ended = process::run(&all).await?;
    ensure!(ended.code == Some(0), "`{}` failed:\n{}", all.join(" "), ended.err);
    Ok(ended.out)
}
