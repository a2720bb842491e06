import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import com.nimbusds.oauth2.sdk.AuthorizationCodeGrant;
import com.nimbusds.oauth2.sdk.ClientCredentialsGrant;
import com.nimbusds.oauth2.sdk.ResponseType;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.TokenIntrospectionRequest;
import com.nimbusds.oauth2.sdk.TokenIntrospectionResponse;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.TokenResponse;
import com.nimbusds.oauth2.sdk.auth.ClientSecretBasic;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.id.Issuer;
import com.nimbusds.oauth2.sdk.id.State;
import com.nimbusds.oauth2.sdk.pkce.CodeChallengeMethod;
import com.nimbusds.oauth2.sdk.pkce.CodeVerifier;
import com.nimbusds.oauth2.sdk.token.AccessToken;
import com.nimbusds.oauth2.sdk.util.JSONObjectUtils;
import com.nimbusds.openid.connect.sdk.AuthenticationRequest;
import com.nimbusds.openid.connect.sdk.AuthenticationResponseParser;
import com.nimbusds.openid.connect.sdk.Nonce;
import com.nimbusds.openid.connect.sdk.OIDCTokenResponse;
import com.nimbusds.openid.connect.sdk.OIDCTokenResponseParser;
import com.nimbusds.openid.connect.sdk.UserInfoRequest;
import com.nimbusds.openid.connect.sdk.UserInfoResponse;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import com.nimbusds.openid.connect.sdk.validators.IDTokenValidator;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The Nimbus SDK, on which Spring Security is built, as a relying party and as an API. It speaks with the
 * Python test in JSON lines: a task comes in, URLs to visit go out, callbacks come in, a result goes out.
 */
public final class Interop {
    private static final BufferedReader IN =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));

    private final Map<String, Object> task;
    private final OIDCProviderMetadata provider;
    private final ClientID client;
    private final ClientSecretBasic authentication;

    private Interop(Map<String, Object> task) throws Exception {
        this.task = task;
        provider = OIDCProviderMetadata.resolve(new Issuer(text("issuer")));
        client = new ClientID(text("client_id"));
        authentication = new ClientSecretBasic(client, new Secret(text("client_secret")));
    }

    public static void main(String[] arguments) throws Exception {
        Interop interop = new Interop(receive());
        Map<String, Object> result = switch (interop.text("flow")) {
            case "signIn" -> interop.signIn();
            case "clientCredentials" -> interop.clientCredentials();
            default -> throw new IllegalArgumentException(interop.text("flow"));
        };
        send(Map.of("result", result));
    }

    private Map<String, Object> signIn() throws Exception {
        URI redirect = URI.create(text("redirect_uri"));
        CodeVerifier verifier = new CodeVerifier();
        State state = new State();
        Nonce nonce = new Nonce();
        URI request = new AuthenticationRequest.Builder(
                ResponseType.CODE, Scope.parse(text("scope")), client, redirect)
            .endpointURI(provider.getAuthorizationEndpointURI())
            .state(state)
            .nonce(nonce)
            .codeChallenge(verifier, CodeChallengeMethod.S256)
            .build()
            .toURI();
        send(Map.of("authorize", request.toString()));
        var answer = AuthenticationResponseParser.parse(URI.create((String) receive().get("callback")));
        if (!answer.indicatesSuccess()) {
            throw new IllegalStateException(answer.toErrorResponse().getErrorObject().toString());
        }
        var success = answer.toSuccessResponse();
        if (!state.equals(success.getState()) || !provider.getIssuer().equals(success.getIssuer())) {
            throw new IllegalStateException("state or iss is wrong");
        }
        var grant = new AuthorizationCodeGrant(success.getAuthorizationCode(), redirect, verifier);
        var exchange = new TokenRequest.Builder(provider.getTokenEndpointURI(), authentication, grant).build();
        TokenResponse response = OIDCTokenResponseParser.parse(exchange.toHTTPRequest().send());
        if (!response.indicatesSuccess()) {
            throw new IllegalStateException(response.toErrorResponse().getErrorObject().toString());
        }
        var tokens = ((OIDCTokenResponse) response.toSuccessResponse()).getOIDCTokens();
        var claims = new IDTokenValidator(
                provider.getIssuer(), client, JWSAlgorithm.RS256, provider.getJWKSetURI().toURL())
            .validate(tokens.getIDToken(), nonce);
        var userInfo = new UserInfoRequest(provider.getUserInfoEndpointURI(), tokens.getAccessToken());
        UserInfoResponse shown = UserInfoResponse.parse(userInfo.toHTTPRequest().send());
        if (!shown.indicatesSuccess()) {
            throw new IllegalStateException(shown.toErrorResponse().getErrorObject().toString());
        }
        return Map.of(
            "sub", claims.getSubject().getValue(),
            "email", shown.toSuccessResponse().getUserInfo().getEmailAddress());
    }

    private Map<String, Object> clientCredentials() throws Exception {
        var request = new TokenRequest.Builder(
                provider.getTokenEndpointURI(), authentication, new ClientCredentialsGrant())
            .scope(Scope.parse(text("scope")))
            .resource(URI.create(text("audience")))
            .build();
        TokenResponse response = TokenResponse.parse(request.toHTTPRequest().send());
        if (!response.indicatesSuccess()) {
            throw new IllegalStateException(response.toErrorResponse().getErrorObject().toString());
        }
        AccessToken token = response.toSuccessResponse().getTokens().getAccessToken();
        JWTClaimsSet claims = verifyAccessToken(token.getValue());
        var introspection = TokenIntrospectionResponse.parse(
            new TokenIntrospectionRequest(provider.getIntrospectionEndpointURI(), authentication, token)
                .toHTTPRequest().send());
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("client_id", claims.getStringClaim("client_id"));
        result.put("scope", claims.getStringClaim("scope"));
        result.put("active", introspection.toSuccessResponse().isActive());
        return result;
    }

    /** RFC 9068 §4, with the keys that the provider publishes. */
    private JWTClaimsSet verifyAccessToken(String token) throws Exception {
        var processor = new DefaultJWTProcessor<SecurityContext>();
        processor.setJWSTypeVerifier(new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType("at+jwt")));
        processor.setJWSKeySelector(new JWSVerificationKeySelector<>(
            JWSAlgorithm.RS256, JWKSourceBuilder.create(provider.getJWKSetURI().toURL()).build()));
        processor.setJWTClaimsSetVerifier(new DefaultJWTClaimsVerifier<>(
            text("audience"),
            new JWTClaimsSet.Builder().issuer(provider.getIssuer().getValue()).build(),
            Set.copyOf(List.of("sub", "iat", "exp", "jti", "client_id"))));
        return processor.process(token, null);
    }

    private String text(String name) {
        return (String) task.get(name);
    }

    private static Map<String, Object> receive() throws Exception {
        return JSONObjectUtils.parse(IN.readLine());
    }

    private static void send(Map<String, Object> message) {
        System.out.println(com.nimbusds.jose.util.JSONObjectUtils.toJSONString(message));
        System.out.flush();
    }
}
