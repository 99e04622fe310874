"""What users and federated callers prove themselves by, as real clients do it."""

import base64
import hashlib
import hmac
import json
import struct
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import pytest
from botocore.exceptions import ClientError
from PIL import Image

from support.cloud import ACCOUNT
from support.enforced import root_of, user_of
from support.policies import allow, document, refusal

LIST_USERS = allow("iam:ListUsers")


def code_at(seed, step):
    """RFC 6238, as a phone computes it."""
    digest = hmac.new(base64.b32decode(seed), struct.pack(">q", step), hashlib.sha1).digest()
    at = digest[19] & 15
    return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


def now():
    return int(time.time()) // 30


def fresh_code(seed, used):
    """A code of a step behind the used one: waits for it, as people do."""
    while now() + 1 <= used:
        time.sleep(0.5)
    step = max(now(), used + 1)
    return code_at(seed, step), step


def test_a_device_proves_a_user_and_survives_a_crash(tmp_path, new_cloud):
    cloud = new_cloud("--auth", "enforce", "--log", "debug", data_dir=tmp_path / "data")
    root = root_of(cloud)
    with_device = {**LIST_USERS, "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}
    ann = user_of(cloud, root, "ann", with_device)
    iam = cloud.client("iam", **root)
    device = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone")["VirtualMFADevice"]
    serial, seed = device["SerialNumber"], device["Base32StringSeed"]
    assert serial == f"arn:aws:iam::{ACCOUNT}:mfa/phone" and len(seed) == 64
    picture = Image.open(BytesIO(device["QRCodePNG"]))
    assert picture.format == "PNG" and picture.width == picture.height
    step = now()
    iam.enable_mfa_device(
        UserName="ann", SerialNumber=serial,
        AuthenticationCode1=code_at(seed, step - 1), AuthenticationCode2=code_at(seed, step),
    )
    sts = cloud.client("sts", **ann)
    code, _, status = refusal(sts.get_session_token, SerialNumber=serial, TokenCode="000000")
    assert (code, status) == ("AccessDenied", 403)
    cloud.kill()
    assert seed.decode() not in cloud.logged()
    cloud.start()
    word, step = fresh_code(seed, step)
    sts = cloud.client("sts", **ann)
    made = sts.get_session_token(SerialNumber=serial, TokenCode=word)["Credentials"]
    session = {"key": made["AccessKeyId"], "secret": made["SecretAccessKey"], "token": made["SessionToken"]}
    assert cloud.client("iam", **session).list_users()["Users"]
    assert refusal(cloud.client("iam", **ann).list_users)[0] == "AccessDenied"
    assert refusal(sts.get_session_token, SerialNumber=serial, TokenCode=word)[0] == "AccessDenied"


def test_passwords_keys_and_credentials_of_a_user(cloud):
    iam = cloud.client("iam")
    iam.create_user(UserName="bob")
    iam.create_login_profile(UserName="bob", Password="Passw0rd!")
    key = iam.create_access_key(UserName="bob")["AccessKey"]
    own = cloud.client("iam", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    with pytest.raises(ClientError) as refused:
        own.change_password(OldPassword="Passw0rd?", NewPassword="Passw0rds!")
    assert refused.value.response["Error"]["Code"] == "AccessDenied"
    own.change_password(OldPassword="Passw0rd!", NewPassword="Passw0rds!")
    made = iam.create_service_specific_credential(
        UserName="bob", ServiceName="codecommit.amazonaws.com"
    )["ServiceSpecificCredential"]
    assert made["ServiceUserName"] == f"bob-at-{ACCOUNT}" and made["ServicePassword"]
    assert iam.get_account_summary()["SummaryMap"]["Users"] >= 1


class Issuer:
    """A small OpenID Connect issuer with an RSA key."""

    def __init__(self, folder):
        self.key = folder / "issuer.pem"
        openssl = ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
        subprocess.run([*openssl, "-out", self.key], check=True, capture_output=True)
        modulus = subprocess.run(
            ["openssl", "rsa", "-in", self.key, "-noout", "-modulus"], check=True, capture_output=True
        ).stdout.decode().strip().split("=")[1]
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path == "/jwks":
                    body = {"keys": [{
                        "kty": "RSA", "kid": "one", "alg": "RS256", "use": "sig",
                        "n": part(bytes.fromhex(modulus)), "e": "AQAB",
                    }]}
                else:
                    body = {"issuer": issuer.url, "jwks_uri": issuer.url + "/jwks"}
                body = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def token(self, **claims):
        claims = {"iss": self.url, "aud": "app", "iat": int(time.time()), "exp": int(time.time()) + 300, **claims}
        signed = ".".join(
            part(json.dumps(piece).encode()) for piece in ({"alg": "RS256", "kid": "one"}, claims)
        )
        signature = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", self.key], input=signed.encode(),
            check=True, capture_output=True,
        ).stdout
        return f"{signed}.{part(signature)}"


def part(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.fixture
def issuer(tmp_path):
    issuer = Issuer(tmp_path)
    yield issuer
    issuer.server.shutdown()


def test_a_web_identity_becomes_a_role(closed, root, issuer):
    iam = closed.client("iam", **root)
    provider = iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=["app"])
    provider = provider["OpenIDConnectProviderArn"]
    name = issuer.url.removeprefix("http://")
    role = iam.create_role(RoleName="ci", AssumeRolePolicyDocument=document({
        "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": provider},
        "Condition": {"StringEquals": {f"{name}:aud": "app"}, "StringLike": {f"{name}:sub": "build-*"}},
    }))["Role"]["Arn"]
    iam.put_role_policy(RoleName="ci", PolicyName="p", PolicyDocument=document(LIST_USERS))
    sts = closed.client("sts")

    def assume(token):
        return sts.assume_role_with_web_identity(RoleArn=role, RoleSessionName="session", WebIdentityToken=token)

    answer = assume(issuer.token(sub="build-1"))
    assert answer["SubjectFromWebIdentityToken"] == "build-1" and answer["Audience"] == "app"
    made = answer["Credentials"]
    session = {"key": made["AccessKeyId"], "secret": made["SecretAccessKey"], "token": made["SessionToken"]}
    who = closed.client("sts", **session).get_caller_identity()
    assert who["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/session"
    assert closed.client("iam", **session).list_users() is not None
    assert refusal(assume, issuer.token(sub="other"))[0] == "AccessDenied"
    assert refusal(assume, issuer.token(sub="build-1", aud="other"))[0] == "InvalidIdentityToken"
    assert refusal(assume, issuer.token(sub="build-1", exp=int(time.time()) - 900))[0] == "ExpiredTokenException"
    good = issuer.token(sub="build-1")
    forged = good[:-8] + ("A" * 8 if not good.endswith("A" * 8) else "B" * 8)
    assert refusal(assume, forged)[0] == "InvalidIdentityToken"
