#!/bin/sh
# Translates /etc/config/culvert into culvert.conf. Sourced by the init script, after /lib/functions.sh.
#
# Every value becomes one quoted word, so that nothing in it can end a word or a line: what a value means is judged by
# culvert -t alone. A value with a control byte (a line feed above all) cannot be a word, and the whole is refused.

CULVERT_PROG="${CULVERT_PROG:-/usr/sbin/culvert}"
ACME_DIR="${ACME_DIR:-/etc/ssl/acme}"

# Keys of ProxyPass, BalancerMember and ProxySet that are options of the same name in UCI.
BACKEND_KEYS="max connectiontimeout timeout responsetimeout requesttimeout acquire maxqueue retries settingstimeout ping \
pingtimeout ttl maxage maxrequests"
MEMBER_KEYS="loadfactor lbset route status retry slowstart hcmethod hcuri hcinterval hctimeout hcpasses hcfails"
BALANCER_KEYS="lbmethod stickysession stickysessionsep stickycookie nofailover maxattempts maxfails failonstatus \
forcerecovery"

culvert_fail() {
	logger -t culvert -p daemon.err "/etc/config/culvert: $1"
	culvert_bad=1
}

# Prints " WORD" for a value.
culvert_word() {
	case "$1" in
	*[[:cntrl:]]*)
		culvert_fail "a value has a control byte"
		return 1
		;;
	esac
	printf ' "%s"' "$(printf '%s' "$1" | sed 's/[\\"]/\\&/g')"
}

# culvert_line DIRECTIVE WORD... prints a line.
culvert_line() {
	local directive="$1" word

	shift
	printf '%s' "$directive"
	for word in "$@"; do
		culvert_word "$word" || break
	done
	printf '\n'
}

# culvert_option SECTION OPTION DIRECTIVE prints a line when the option is set.
culvert_option() {
	local value

	config_get value "$1" "$2"
	[ -z "$value" ] || culvert_line "$3" "$value"
}

# The same for an option that is 0 or 1.
culvert_flag() {
	local value

	config_get value "$1" "$2"
	case "$value" in
	'') ;;
	1 | on | true | yes | enabled) culvert_line "$3" On ;;
	0 | off | false | no | disabled) culvert_line "$3" Off ;;
	*) culvert_line "$3" "$value" ;;
	esac
}

# culvert_keys SECTION KEY... prints " KEY=VALUE" for each key that is set.
culvert_keys() {
	local section="$1" key value

	shift
	for key in "$@"; do
		config_get value "$section" "$key"
		[ -z "$value" ] || culvert_word "$key=$value" || return 1
	done
}

culvert_main() {
	culvert_option "$1" server_name ServerName
	culvert_flag "$1" preserve_host ProxyPreserveHost
	culvert_flag "$1" add_headers ProxyAddHeaders
	culvert_option "$1" via ProxyVia
	culvert_option "$1" timeout Timeout
	culvert_option "$1" proxy_timeout ProxyTimeout
	culvert_option "$1" keepalive_timeout KeepAliveTimeout
	culvert_option "$1" max_requests MaxKeepAliveRequests
	culvert_option "$1" limit_body LimitRequestBody
	culvert_option "$1" log CustomLog
	culvert_option "$1" log_level LogLevel
	culvert_option "$1" ssl_protocol SSLProtocol
	culvert_option "$1" ssl_ciphers SSLCipherSuite
	culvert_option "$1" client_verify SSLVerifyClient
	culvert_option "$1" client_ca SSLCACertificateFile
	culvert_option "$1" backend_verify SSLProxyVerify
	culvert_option "$1" backend_ca SSLProxyCACertificateFile
	config_list_foreach "$1" resolver culvert_resolver
	config_list_foreach "$1" pin culvert_pin
	config_list_foreach "$1" trusted_proxy culvert_trusted
	config_list_foreach "$1" include culvert_include
}

culvert_resolver() { culvert_line Resolver "$1"; }
culvert_pin() { culvert_line SSLProxyPin "$1"; }
culvert_trusted() { culvert_line RemoteIPTrustedProxy "$1"; }
culvert_include() { culvert_line Include "$1"; }

culvert_listen() {
	local address tls

	config_get address "$1" address
	config_get_bool tls "$1" tls 0
	printf 'Listen'
	culvert_word "$address"
	[ "$tls" = 0 ] || printf ' https'
	culvert_keys "$1" proxy mode
	printf '\n'
}

# A pair of files, or the domain of an acme section.
culvert_certificate() {
	local acme

	config_get acme "$1" acme
	if [ -n "$acme" ]; then
		culvert_line SSLCertificateFile "$ACME_DIR/$acme.fullchain.crt"
		culvert_line SSLCertificateKeyFile "$ACME_DIR/$acme.key"
	else
		culvert_option "$1" cert SSLCertificateFile
		culvert_option "$1" key SSLCertificateKeyFile
	fi
}

culvert_balancer() {
	local name

	config_get name "$1" name "$1"
	printf 'ProxySet'
	culvert_word "balancer://$name"
	# shellcheck disable=SC2086 # a list of words
	culvert_keys "$1" $BALANCER_KEYS
	printf '\n'
}

culvert_member() {
	local balancer url

	config_get balancer "$1" balancer
	config_get url "$1" url
	printf 'BalancerMember'
	culvert_word "balancer://$balancer" && culvert_word "$url"
	# shellcheck disable=SC2086
	culvert_keys "$1" $MEMBER_KEYS $BACKEND_KEYS
	printf '\n'
}

culvert_proxy() {
	local path url exclude

	config_get path "$1" path
	config_get url "$1" url
	config_get_bool exclude "$1" exclude 0
	printf 'ProxyPass'
	culvert_word "$path"
	if [ "$exclude" = 1 ]; then
		printf ' "!"\n'
		return
	fi
	culvert_word "$url"
	# shellcheck disable=SC2086
	culvert_keys "$1" $BACKEND_KEYS
	printf '\n'
	config_list_foreach "$1" reverse culvert_reverse "$path"
}

culvert_reverse() { culvert_line ProxyPassReverse "$2" "$1"; }

culvert_header() {
	local request always op name value

	config_get_bool request "$1" request 0
	config_get_bool always "$1" always 0
	config_get op "$1" op set
	config_get name "$1" name
	config_get value "$1" value
	set -- "$op" "$name"
	[ "$op" = unset ] || set -- "$@" "$value"
	[ "$always" = 0 ] || set -- always "$@"
	if [ "$request" = 1 ]; then
		culvert_line RequestHeader "$@"
	else
		culvert_line Header "$@"
	fi
}

# Prints the whole configuration. Sections of one type keep their order.
culvert_translate() {
	printf '# Made from /etc/config/culvert: changes here are lost.\n'
	config_foreach culvert_main culvert
	config_foreach culvert_listen listen
	config_foreach culvert_certificate certificate
	config_foreach culvert_balancer balancer
	config_foreach culvert_member member
	config_foreach culvert_proxy proxy
	config_foreach culvert_header header
}

# culvert_write FILE writes the configuration when it is good; else it tells the log, and FILE stays as it is.
culvert_write() {
	local new="$1.new" faults

	mkdir -p "$(dirname "$1")"
	config_load culvert
	culvert_bad=0
	culvert_translate >"$new"
	if [ "$culvert_bad" = 1 ]; then
		rm -f "$new"
		return 1
	fi
	if ! faults="$("$CULVERT_PROG" -t -c "$new" 2>&1)"; then
		printf '%s\n' "$faults" | logger -t culvert -p daemon.err
		rm -f "$new"
		return 1
	fi
	mv "$new" "$1"
}

culvert_enabled() {
	local enabled

	config_load culvert
	config_get_bool enabled main enabled 0
	[ "$enabled" = 1 ]
}
