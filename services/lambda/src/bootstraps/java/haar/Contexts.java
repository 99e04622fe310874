package haar;

import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Proxy;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;

/**
 * The objects that handlers are given: made for the interfaces that the function brought along.
 * AWS docs: *Using the Lambda context object to retrieve Java function information*.
 */
final class Contexts {
    private final ClassLoader loader;
    private final Handlers handlers;
    private final Class<?> context;
    private final Object logger;

    Contexts(ClassLoader loader, Handlers handlers) {
        this.loader = loader;
        this.handlers = handlers;
        context = handlers.core("Context");
        Class<?> contract = handlers.core("LambdaLogger");
        logger = contract == null ? null : Proxy.newProxyInstance(loader, new Class<?>[] {contract},
                (proxy, method, arguments) -> log(proxy, method, arguments));
        offerLogger();
    }

    private static Object log(Object proxy, Method method, Object[] arguments) {
        if (!method.getName().equals("log")) {
            return basics(proxy, method, arguments, "LambdaLogger");
        }
        boolean hasLevel = arguments.length > 1 && arguments[1] instanceof Enum;
        String level = hasLevel ? ((Enum<?>) arguments[1]).name() : null;
        Events.log(arguments[0], "UNDEFINED".equals(level) ? null : level);
        return null;
    }

    /** Puts the logger where `LambdaRuntime.getLogger()` finds it. */
    private void offerLogger() {
        Class<?> holder = handlers.core("LambdaRuntime");
        if (holder == null || logger == null) {
            return;
        }
        try {
            Field field = holder.getDeclaredField("logger");
            if (Modifier.isStatic(field.getModifiers()) && !Modifier.isFinal(field.getModifiers())) {
                field.setAccessible(true);
                field.set(null, logger);
            }
        } catch (ReflectiveOperationException e) {
            return; // another version of the library: its own logger writes to the log as well
        }
    }

    /** The context of one invocation; null when the function has no use for one. */
    Object of(Map<String, String> headers) {
        if (context == null) {
            return null;
        }
        Map<String, Object> values = new HashMap<>();
        values.put("getAwsRequestId", headers.get("lambda-runtime-aws-request-id"));
        values.put("getInvokedFunctionArn", headers.get("lambda-runtime-invoked-function-arn"));
        values.put("getTenantId", headers.get("lambda-runtime-aws-tenant-id"));
        values.put("getXrayTraceId", headers.get("lambda-runtime-trace-id"));
        values.put("getLogGroupName", System.getenv("AWS_LAMBDA_LOG_GROUP_NAME"));
        values.put("getLogStreamName", System.getenv("AWS_LAMBDA_LOG_STREAM_NAME"));
        values.put("getFunctionName", System.getenv("AWS_LAMBDA_FUNCTION_NAME"));
        values.put("getFunctionVersion", System.getenv("AWS_LAMBDA_FUNCTION_VERSION"));
        values.put("getMemoryLimitInMB",
                Integer.parseInt(System.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")));
        values.put("getLogger", logger);
        values.put("getIdentity", identity(headers.get("lambda-runtime-cognito-identity")));
        values.put("getClientContext", clientContext(headers.get("lambda-runtime-client-context")));
        String deadline = headers.get("lambda-runtime-deadline-ms");
        long deadlineMs = deadline == null ? 0 : Long.parseLong(deadline);
        return Proxy.newProxyInstance(loader, new Class<?>[] {context}, (proxy, method, arguments) ->
                method.getName().equals("getRemainingTimeInMillis")
                        ? (Object) (int) Math.max(0, deadlineMs - System.currentTimeMillis())
                        : answer(proxy, method, arguments, values, "LambdaContext"));
    }

    private Object identity(String text) {
        Class<?> contract = handlers.core("CognitoIdentity");
        if (text == null || text.isEmpty() || contract == null) {
            return null;
        }
        Map<?, ?> given = (Map<?, ?>) Json.parse(text);
        Map<String, Object> values = new HashMap<>();
        values.put("getIdentityId", given.get("cognitoIdentityId"));
        values.put("getIdentityPoolId", given.get("cognitoIdentityPoolId"));
        return proxy(contract, values);
    }

    private Object clientContext(String text) {
        Class<?> contract = handlers.core("ClientContext");
        if (text == null || text.isEmpty() || contract == null) {
            return null;
        }
        Map<?, ?> given = (Map<?, ?>) Json.parse(text);
        Map<String, Object> values = new HashMap<>();
        values.put("getCustom", given.get("custom"));
        values.put("getEnvironment", given.get("env"));
        Class<?> clientContract = handlers.core("Client");
        if (given.get("client") instanceof Map && clientContract != null) {
            Map<?, ?> client = (Map<?, ?>) given.get("client");
            Map<String, Object> parts = new HashMap<>();
            parts.put("getInstallationId", client.get("installation_id"));
            parts.put("getAppTitle", client.get("app_title"));
            parts.put("getAppVersionName", client.get("app_version_name"));
            parts.put("getAppVersionCode", client.get("app_version_code"));
            parts.put("getAppPackageName", client.get("app_package_name"));
            values.put("getClient", proxy(clientContract, parts));
        }
        return proxy(contract, values);
    }

    private Object proxy(Class<?> contract, Map<String, Object> values) {
        return Proxy.newProxyInstance(loader, new Class<?>[] {contract}, (proxy, method, arguments) ->
                answer(proxy, method, arguments, values, contract.getSimpleName()));
    }

    private static Object answer(Object proxy, Method method, Object[] arguments,
            Map<String, Object> values, String name) {
        if (values.containsKey(method.getName())) {
            return values.get(method.getName());
        }
        return basics(proxy, method, arguments, name);
    }

    private static Object basics(Object proxy, Method method, Object[] arguments, String name) {
        switch (method.getName()) {
            case "equals":
                return proxy == arguments[0];
            case "hashCode":
                return System.identityHashCode(proxy);
            case "toString":
                return name + "@" + Integer.toHexString(System.identityHashCode(proxy));
            default:
                return Map.class == method.getReturnType() ? Collections.emptyMap()
                        : Scalars.absent(method.getReturnType());
        }
    }
}
