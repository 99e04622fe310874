package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaRuntime;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.LinkedHashMap;
import java.util.Map;

/** Tells what it is given. */
public class Hello implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    private static int calls;

    @Override
    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        System.out.println("hello to " + event.get("name"));
        context.getLogger().log("one\ntwo");
        LambdaRuntime.getLogger().log("logged everywhere: ä");
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("hello", event.get("name"));
        answer.put("event", event);
        answer.put("calls", ++calls);
        answer.put("request", context.getAwsRequestId());
        answer.put("memory", context.getMemoryLimitInMB());
        answer.put("arn", context.getInvokedFunctionArn());
        answer.put("function", context.getFunctionName());
        answer.put("version", context.getFunctionVersion());
        answer.put("remaining", context.getRemainingTimeInMillis());
        answer.put("group", context.getLogGroupName());
        answer.put("stream", context.getLogStreamName());
        answer.put("mine", System.getenv("MINE"));
        answer.put("all", System.getenv().get("AWS_LAMBDA_FUNCTION_NAME"));
        answer.put("heapKiB", Runtime.getRuntime().maxMemory() / 1024);
        answer.put("property", System.getProperty("example.property"));
        if (context.getClientContext() != null) {
            answer.put("custom", context.getClientContext().getCustom());
            answer.put("app", context.getClientContext().getClient().getAppTitle());
        }
        answer.put("left out", null);
        return answer;
    }
}
