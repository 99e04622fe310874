export const handler = async (event, context) => {
  console.log("saying hello to", event.name);
  return {
    greeting: `hello ${event.name}, from Node ${process.version}`,
    remainingMs: context.getRemainingTimeInMillis(),
    function: process.env.AWS_LAMBDA_FUNCTION_NAME,
  };
};
