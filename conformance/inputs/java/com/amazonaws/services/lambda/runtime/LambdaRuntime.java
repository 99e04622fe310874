package com.amazonaws.services.lambda.runtime;

/** Stands in for the class of this name in aws-lambda-java-core. */
public final class LambdaRuntime {
    private static volatile LambdaLogger logger;

    private LambdaRuntime() {}

    public static LambdaLogger getLogger() {
        return logger;
    }
}
