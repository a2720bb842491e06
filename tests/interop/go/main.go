// Command interop is a relying party made of coreos/go-oidc and golang.org/x/oauth2. It speaks with the
// Python test in JSON lines: a task comes in, URLs to visit go out, callbacks come in, a result goes out.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

type task struct {
	Flow         string   `json:"flow"`
	Issuer       string   `json:"issuer"`
	ClientID     string   `json:"client_id"`
	ClientSecret string   `json:"client_secret"`
	RedirectURI  string   `json:"redirect_uri"`
	Scopes       []string `json:"scopes"`
	Audience     string   `json:"audience"`
	Token        string   `json:"token"`
}

type dialogue struct {
	in  *bufio.Scanner
	out *json.Encoder
}

func (d dialogue) receive(message any) error {
	if !d.in.Scan() {
		return errors.New("the test hung up")
	}
	return json.Unmarshal(d.in.Bytes(), message)
}

func (d dialogue) authorize(address string) (url.Values, error) {
	if err := d.out.Encode(map[string]string{"authorize": address}); err != nil {
		return nil, err
	}
	var answer struct {
		Callback string `json:"callback"`
	}
	if err := d.receive(&answer); err != nil {
		return nil, err
	}
	callback, err := url.Parse(answer.Callback)
	if err != nil {
		return nil, err
	}
	return callback.Query(), nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Buffer(nil, 1<<20)
	test := dialogue{in: scanner, out: json.NewEncoder(os.Stdout)}
	var t task
	if err := test.receive(&t); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	provider, err := oidc.NewProvider(ctx, t.Issuer)
	if err != nil {
		return fmt.Errorf("discovery: %w", err)
	}
	flows := map[string]func(context.Context, dialogue, *oidc.Provider, task) (any, error){
		"signIn": signIn, "verifyAccessToken": verifyAccessToken, "clientCredentials": clientCredentials,
	}
	flow, known := flows[t.Flow]
	if !known {
		return fmt.Errorf("no flow %q", t.Flow)
	}
	result, err := flow(ctx, test, provider, t)
	if err != nil {
		return fmt.Errorf("%s: %w", t.Flow, err)
	}
	return test.out.Encode(map[string]any{"result": result})
}

// signIn is the authorization code flow with PKCE, then UserInfo, then one refresh.
func signIn(ctx context.Context, test dialogue, provider *oidc.Provider, t task) (any, error) {
	config := oauth2.Config{
		ClientID: t.ClientID, ClientSecret: t.ClientSecret, RedirectURL: t.RedirectURI,
		Endpoint: provider.Endpoint(), Scopes: t.Scopes,
	}
	pkce, state, nonce := oauth2.GenerateVerifier(), oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	callback, err := test.authorize(config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(pkce)))
	if err != nil {
		return nil, err
	}
	if callback.Get("state") != state || callback.Get("iss") != t.Issuer {
		return nil, fmt.Errorf("callback is %v", callback)
	}
	tokens, err := config.Exchange(ctx, callback.Get("code"), oauth2.VerifierOption(pkce))
	if err != nil {
		return nil, fmt.Errorf("exchange: %w", err)
	}
	idToken, err := verifiedIDToken(ctx, provider, t, tokens, nonce)
	if err != nil {
		return nil, err
	}
	userInfo, err := provider.UserInfo(ctx, config.TokenSource(ctx, tokens))
	if err != nil {
		return nil, fmt.Errorf("userinfo: %w", err)
	}
	result := map[string]any{"sub": idToken.Subject, "userinfo_sub": userInfo.Subject, "email": userInfo.Email}
	if tokens.RefreshToken != "" {
		stale := &oauth2.Token{RefreshToken: tokens.RefreshToken, Expiry: time.Now().Add(-time.Hour)}
		renewed, err := config.TokenSource(ctx, stale).Token()
		if err != nil {
			return nil, fmt.Errorf("refresh: %w", err)
		}
		result["refreshed"] = renewed.AccessToken != tokens.AccessToken
	}
	return result, nil
}

func verifiedIDToken(
	ctx context.Context, provider *oidc.Provider, t task, tokens *oauth2.Token, nonce string,
) (*oidc.IDToken, error) {
	raw, present := tokens.Extra("id_token").(string)
	if !present {
		return nil, errors.New("no id_token")
	}
	idToken, err := provider.Verifier(&oidc.Config{ClientID: t.ClientID}).Verify(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("id_token: %w", err)
	}
	if idToken.Nonce != nonce {
		return nil, fmt.Errorf("nonce is %q, not %q", idToken.Nonce, nonce)
	}
	if idToken.AccessTokenHash != "" {
		if err := idToken.VerifyAccessToken(tokens.AccessToken); err != nil {
			return nil, fmt.Errorf("at_hash: %w", err)
		}
	}
	return idToken, nil
}

// verifyAccessToken is a microservice: it checks a JWT access token by the published keys alone.
func verifyAccessToken(ctx context.Context, _ dialogue, provider *oidc.Provider, t task) (any, error) {
	verified, err := provider.Verifier(&oidc.Config{ClientID: t.Audience}).Verify(ctx, t.Token)
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	if err := verified.Claims(&claims); err != nil {
		return nil, err
	}
	return map[string]any{"claims": claims}, nil
}

// clientCredentials gets a token for itself and checks that it is meant for the audience.
func clientCredentials(ctx context.Context, test dialogue, provider *oidc.Provider, t task) (any, error) {
	config := clientcredentials.Config{
		ClientID: t.ClientID, ClientSecret: t.ClientSecret, TokenURL: provider.Endpoint().TokenURL,
		Scopes: t.Scopes, EndpointParams: url.Values{"resource": {t.Audience}},
	}
	token, err := config.Token(ctx)
	if err != nil {
		return nil, err
	}
	t.Token = token.AccessToken
	return verifyAccessToken(ctx, test, provider, t)
}
