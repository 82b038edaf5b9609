# Sourced. Walk 5: a second person. Alice pushes what is hers, is refused what is not, and gets what is granted
# within a second; a repository that is open to all is pulled without a login.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts of one script share its variables

walk5() {
  walk="walk 5"
  have dockerd "a second person" && have docker "a second person" || return 0
  host_start people
  check "serve" server_start people
  check "dockerd starts" docker_start people --bridge=none --iptables=false
  check "an image to push" docker_image people nginx
  alice_before_a_grant
  alice_with_a_grant
  anonymous_pull
  identity_token
  hosts_stop
}

alice_before_a_grant() {
  check "user add alice --password-stdin" user_add people alice alices-own-password
  check "alice logs in" docker_login people alice localhost:5000 alice alices-own-password
  check "alice pushes alice/app" push_as alice alice/app:v1
  refused "$readable" "alice is refused bob/app, readably" push_as alice bob/app:v1
  refused "$readable" "alice is refused nginx, readably" push_as alice nginx:v1
  refused "$readable" "alice is refused team/x before it is granted" push_as alice team/x:v1
  check "alice's catalog lists what is hers alone" catalog_is alice:alices-own-password '["alice/app"]'
}

# What docker says where a registry refuses in the specification's words.
readable='denied|unauthorized'

alice_with_a_grant() {
  check "grant add --to user:alice --on 'team/**' --allow pull,push" \
    on people portcullis grant add --to user:alice --on 'team/**' --allow pull,push
  sleep 1
  check "a second later, without a restart, alice pushes team/x" push_as alice team/x:v1
  check "grant remove --to user:alice --on 'team/**'" on people portcullis grant remove --to user:alice --on 'team/**'
  sleep 1
  refused "$readable" "a second later alice is refused team/x again" push_as alice team/x:v2
}

anonymous_pull() {
  check "grant add --to anonymous --on 'public/**' --allow pull" \
    on people portcullis grant add --to anonymous --on 'public/**' --allow pull
  check "the administrator pushes public/app" admin_pushes public/app:v1
  check "docker pull of public/app without a login" pull_again anonymous public/app:v1
  refused "$readable|not found" "docker pull of alice/app without a login is refused" pull_again anonymous alice/app:v1
  refused "$readable" "docker push to public/app without a login is refused" push_as anonymous public/app:v2
  refused "$readable|incorrect" "docker login with a wrong password is refused" \
    docker_login people anonymous localhost:5000 alice not-her-password
  check "a wrong password is refused where anonymous may pull" wrong_password_is_refused
}

push_as() {
  on people docker tag nginx "localhost:5000/$2"
  docker_push people "$1" "localhost:5000/$2"
}

admin_pushes() {
  docker_login people operator localhost:5000 admin "$(first_password people)"
  push_as operator "$1"
}

# With refresh tokens, docker keeps one instead of the password, and works with it.
identity_token() {
  check "serve with auth.refresh_token_lifetime = \"30d\"" refresh_tokens_on
  check "docker login keeps an identity token, not the password" login_keeps_a_token
  check "docker push with the identity token" push_as keeper alice/kept:v1
  check "docker pull with the identity token" pull_again keeper alice/kept:v1
  check "user passwd alice" on people portcullis user passwd alice --password-stdin <<<"alices-new-password"
  refused "$readable" "after user passwd the identity token is refused" push_as keeper alice/kept:v2
}

refresh_tokens_on() {
  daemon_stop people portcullis
  install -d -m 755 "$work/people/etc/portcullis"
  printf '[auth]\nrefresh_token_lifetime = "30d"\n' >"$work/people/etc/portcullis/portcullis.toml"
  server_start people
}

login_keeps_a_token() {
  local logins=$work/people/home-keeper/.docker/config.json
  docker_login people keeper localhost:5000 alice alices-own-password
  jq -e '.auths["localhost:5000"].identitytoken | startswith("pcl_rt_")' "$logins"
  jq -e '.auths["localhost:5000"].auth // "" | @base64d | contains("alices-own-password") | not' "$logins"
}

# Forgets the name first, so that the manifest must come from the registry.
pull_again() {
  on people docker rmi "localhost:5000/$2" || true
  as people "$1" docker pull "localhost:5000/$2"
}

catalog_is() { same "$(fetch people "$1" /v2/_catalog | jq -c .repositories)" "$2"; }

wrong_password_is_refused() {
  local url=https://localhost:5000
  same "$(status_of people --user alice:not-her-password "$url/auth/token?scope=repository:public/app:pull")" 401
  same "$(status_of people --user alice:not-her-password "$url/v2/public/app/manifests/v1")" 401
  same "$(status_of people "$url/auth/token?scope=repository:public/app:pull")" 200
}
